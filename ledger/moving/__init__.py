"""Moving in: from the files of another system to one proven history, and from that to signed entries.

options     what the operator answers
findings    what is found, each with a code, file and line
amounts     a printed amount → the one whole minute that prints so
dates       a printed day → a day
text        a path → its lines
table       lines → cells: encoding, delimiter, heading, quoting
history     members, rows and declared balances: what every system's files come down to
scratch     the file they lie in meanwhile
naming      handles and categories for the old system's names
gathering   the history while it is read
twins       a line that repeats the one before it
overlap     one payment told twice is one
shapes      the same payments in two shapes
reconcile   what is stated against what the rows give
systems     one module a system
read        the one way in: files of a system → a `history.History`
plan        what recording that history would come to
recording   it becomes entries of this bank, all of them or none
report      what an import found and did
"""
