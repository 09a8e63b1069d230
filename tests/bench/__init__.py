"""Benchmarks, run by hand: ratios measured side by side in one run. README.md has the commands and the figures."""
