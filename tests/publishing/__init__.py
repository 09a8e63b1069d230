"""What leaves the bank for others to check, and what it is good for after a loss."""
