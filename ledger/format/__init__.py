"""What stands in the bytes, whatever they say: FORMAT.md as code. Pure: no file, no clock, no chance.

canonical      records and one line of JSON, and nothing in between
openings       private details, and the commitments that stand for them
keys           Ed25519 under one strict rule, and how a key is written down
merkle         the tree of the log: hashes, tiles, proofs
epochs         how a log is named, through its epochs
notes          a text and the signatures under it
checkpoint     the head of a log, in a signed note
cosignatures   other people's word that they saw a head
"""
