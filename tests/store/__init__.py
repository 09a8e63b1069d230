"""The log in a file or on a server, whatever dies, fails, ends or comes between."""
