"""What a person types and reads: parse, call, print. Imports federation and ledger.

`main` finds the command (its table `COMMANDS` says in which module each lives) and says what went wrong; `context`
opens the bank and its keys, `output` has the manners, `recorded` is how every command ends that signs.
"""
