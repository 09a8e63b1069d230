"""Tests, in rooms of the names that ledger, federation and cli have for theirs; each name is a sentence.

A test stands in the room whose behaviour it shows, one on many rooms in that of the last of them.

kit          what tests share: banks in a line, consoles, servers, children that die
conftest     what every test may ask for
battery      run by hand: a bank's commands, stopped or failed at random calls
search       run by hand: every state that two banks can come to
test_house   what stands where, and who may import whom

format       the bytes; FORMAT.md is what the code does
facts        entries of which there are many, read and written at once
book         histories against a model; what neighbours move
rules        the refusals in their order, imports, votes
store        the log in a file or on a server, whatever dies or fails beneath it
people       who was erased is nowhere
processes    whatever becomes of a helper, the outcome is the same
keyfiles     keys on this machine, and the commands that make them
desk         people's words: hours, names, accounts, mandates, policies, twins, listings, referrals
moving       in from other systems, with small histories of theirs
views        statements, exports, measures of a year
publishing   what leaves the bank, and comes back after a loss
verifying    a history judged; a second verifier that shares no line of code
keeping      copies, repairs, a log that goes on, a bank that moves
federation   two banks or more, in memory and on disk
cli          what is typed: transcripts, stories, the README, many banks; and pages as people see them
go           Go's own libraries read what we sign
fuzz         what strangers hand us
bench        measured, by hand: README.md has the commands and the figures

And for reading: stories/ of time banks and transcripts/ of the command line, each run as it stands; vectors/ with
where they are from.
"""
