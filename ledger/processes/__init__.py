"""Processes beside this one, for work that is worth a second core.

child        what such a process is, and the messages between it and this one
sodium       signatures checked and made by libsodium
scribe       writes and signs entries while this one goes on to the next
foreread     reads a log ahead of whoever folds it
worker       checks signatures, in batches, until they end
signatures   many signatures, checked on every core
"""
