"""How what was said gets there: files that one bank publishes and the other reads.

reading   what a neighbour publishes: from a folder, or a file
web       fetched by GET, from whoever answers there
serving   a web server for published folders: it reads, and nothing else
"""

from __future__ import annotations

from pathlib import Path

from federation.carriers.reading import Carrier, FolderCarrier


def carrier_to(where: str) -> Carrier:
    """The carrier for what a person gave as a neighbour's address: a folder, or a web address."""
    if "://" in where:
        from federation.carriers.web import WebCarrier

        return WebCarrier(where)
    return FolderCarrier(Path(where))
