"""Tests: each file mirrors a behaviour, and each name is a sentence."""
