"""Entries of which there are many are read and written at once as they are the long way."""
