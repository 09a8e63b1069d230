"""Benchmarks, run by hand: ratios measured side by side in one run. README.md has the commands and the figures.

Programs that are started here find, and keep, what Python compiled, as an installed one does.
"""

import os

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
