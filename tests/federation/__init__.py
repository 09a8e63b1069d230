"""Two banks or more: what they say, carry, prove and lose; in memory, on disk and over the web."""
