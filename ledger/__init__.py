"""The bank itself: a signed log, the book projected from it, and the rules. Imports neither cli nor federation."""
