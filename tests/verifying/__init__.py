"""A history judged, one's own or anybody's, by two verifiers that share no line of code."""
