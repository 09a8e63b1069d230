"""What may be added, and all that may not: by anybody, by an import, by a vote."""
