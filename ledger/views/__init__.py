"""What people ask to see of a bank. Reads, never writes.

across         what moved between this bank and its neighbours
points         the bank as it stood at a point of its log
statements     balances, statements, exchanges
exporting      out again, in forms that other programs read
institutions   what each institution gave and received
"""
