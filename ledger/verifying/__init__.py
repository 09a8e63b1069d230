"""Verifying without a bank: a published folder, an audit pack or a receipt, from anybody, by a pinned key or founding.

    pins        what the auditor holds beforehand, and what of a log must agree with it
    published   a whole log from files: the audit of `audit`, and the checks that only a pin makes possible
    own         one's own bank, from a saved state on, or beside what it published
    hashes      a folder that holds hashes alone: tree, head, and that history only grows
    states      what a verification saves, so that the next one costs what is new
    kinds       what a path holds, told by its content

Nothing here needs a database or a private key, and nothing that is read is believed before it is checked.
"""
