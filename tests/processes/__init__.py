"""Processes that help: whatever becomes of them, the outcome is that of one that does it all."""
