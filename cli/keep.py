"""`timebank backup`, `restore` and `rebuild`: keeping the bank."""

from __future__ import annotations
