"""What two banks say to each other, and carrying it. Imports ledger, never cli."""
