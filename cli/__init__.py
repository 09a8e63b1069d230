"""What a person types and reads: parse, call, print. Imports federation and ledger."""
