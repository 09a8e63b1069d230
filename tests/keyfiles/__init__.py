"""Private keys on this machine, and the commands that make, replace and end them."""
