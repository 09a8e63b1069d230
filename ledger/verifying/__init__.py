"""Verifying, with a bank or without: a whole history from anybody, judged by what the auditor holds beforehand.

findings      what an audit has to say: problems as values, and the report that holds them
differences   two databases, one table: every row that is not as the log says
beside        what lies beside the log in a bank's own database
foreign       what a database holds that timebank did not make
scratch       the lines of a history, kept by the run of account and day
walk          a log read from its first entry to its last, folded into scratch tables on the way
audit         named pure checks over a history
pins          what the auditor holds beforehand, and what of a log must agree with it
states        what a verification saves, so that the next one costs what is new
hashes        a folder that holds hashes alone: tree, head, and that history only grows
published     a whole log from files: the audit, and the checks that only a pin makes possible
own           one's own bank, with its tables or from a saved state on, and what it published beside it
kinds         what a path holds, told by its content

Nothing that is read is believed before it is checked. But for one's own bank, nothing here needs a database or a
private key.
"""
