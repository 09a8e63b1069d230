"""An outsider's programs, in Go over its own libraries, read what we sign."""
