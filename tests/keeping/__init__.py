"""Copies, repairs, a log that goes on after a loss, a bank that moves."""
