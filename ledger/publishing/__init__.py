"""What leaves a bank for others to check or to keep: a folder for any web server, an audit pack, a receipt.

bundles    entries as they are published: length and bytes, 256 a bundle
escrow     entries and private details sealed for the bank's own recovery key
heads      the signed head with its cosignatures, as it leaves the bank, and where that publishes
outgoing   a folder written so that a web server, or a power cut, never sees half a file
shelf      reading what somebody published, a folder or a pack, believing nothing
folder     `publish`: the C2SP tlog-tiles layout, and the escrow, in a folder; only what is new
healing    entries that a backup lacks, taken back from what was published
pack       the same as one file, with chosen private details
receipt    one entry with the proof that it is in the log

A head leaves the bank only together with its entries sealed (`folder.hand_out`). What a reader of these is to check is
in `verifying`.
"""
