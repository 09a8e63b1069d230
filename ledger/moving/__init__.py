"""Moving in, the reading half: from the files of another system to one proven history. Records nothing.

read.read_history        the one way in: files of a system → a `history.History`
options, findings        what the operator answers; what is found, each with a code, file and line
text, table              bytes → lines → cells: encoding, delimiter, heading, quoting
amounts, dates           a printed amount → the one whole minute that prints so; a printed day → a day
history, gathering       members, rows and declared balances: read out, and written down
scratch, naming          the file they lie in meanwhile; handles and categories for the old system's names
overlap, reconcile       one payment told twice is one; what is stated against what the rows give
timeoverflow … csvfile   one module a system
"""
