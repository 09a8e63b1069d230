"""May this entry be added to this book? Every refusal is decided here, in a documented order; pure.

limits      how far an account may go
needs       whose word a fact needs
signers     do the keys under an entry speak for all whose word it needs?
imports     the rules of moving in
accounts    the rules of accounts, keys and mandates
exchanges   the rules of exchanges and disputes
helping     the rules of facts around help
votes       the rules of who changes the rules
links       the rules of facts about neighbours
admission   all of it, for one entry
"""
