"""What two banks say to each other, as PROTOCOL.md has it: `hear(link, frame) → link`. Pure: no file, no clock.

words        six words that two people read to each other
sealing      for one reader: whoever carries it sees its size and no more
frames       what one bank says, in numbered signed notes
letters      one record in a file by itself, signed once
card         what a bank hands another to pair with it
headkeys     the keys by which a neighbour signs its heads
parcels      what is sealed: a frame with its memos, and the head
link         the state of a bank's side, and what its own frames do to it
hearing      what a frame of the neighbour does, or that it is a lie
speaking     what a bank says next
settlement   what two banks agree when a link was frozen, or ends
replay       what follows from the frames alone
"""
