"""What can happen, as frozen facts, and the signed entry that carries one. Pure.

events     what can happen in a time bank: accounts, keys, mandates, policies, exchanges
links      between this bank and its neighbours
helping    around help: listings, referrals, hours given up front
votes      how those whom a policy binds change it
entries    a fact as an entry of the log: read, written, signed
everyday   the everyday exchange, read and written in one go
orders     the order of a payment to a neighbour's member, in one go
"""
