"""What the entries come to: random histories against a model, and what neighbours move."""
