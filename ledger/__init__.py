"""The bank itself: a signed log, the book projected from it, and the rules. Imports neither cli nor federation.

Top to bottom, the way of an hour: each room imports only from those above it.

codes        every code a refusal can carry
errors       what can go wrong
clock        what time it is
hours        whole minutes, as people write them
words        names, memos, dates, as they come in

format       the bytes: keys, notes, the tree, the signed head
facts        what can happen, and the entry that carries it
book         what the entries so far come to: one pure fold
rules        what may be added to it
drafts       from a fact to the entry that is to be signed

store        the log and the book's tables in a database
processes    work that is worth a second core
people       who the account ids are, for as long as it is kept
folder       where all this lies on a disk
keyfiles     private keys on this machine
highest      the highest head ever signed, which the log must reach
memory       what a program remembers from one page to the next
reading      a bank inside one transaction, to look at
pending      entries of a page that are not yet in the log: batches, signed here or beside
page         and to add to: rules → sign → append → project
bank         a page committed, and the head signed over it
founding     entry 0

views        what people ask to see
desk         from people's words to facts, and back
moving       in from other systems
measures     what a year came to
publishing   what leaves the bank, for others to check
verifying    a history judged, one's own or anybody's
keeping      copies, repairs, what wants attention
"""
