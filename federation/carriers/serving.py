"""A web server for published folders: it reads, and only what a bank publishes.

Only a path of the published layout (FORMAT.md §17, PROTOCOL.md §10) is looked for at all, so no folder is listed and no
other file is given; only plain files reached through no link are (`FolderShelf`). There is no way to write. It speaks
plain HTTP: a web server with a certificate stands in front of it, or takes its place.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import Invalid, Problem, Unavailable, Usage
from ledger.format.checkpoint import HANDOVERS
from ledger.format.merkle import parse_tile_path
from ledger.publishing import escrow
from ledger.publishing.heads import CHECKPOINT
from ledger.publishing.shelf import FolderShelf

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_LINK = re.compile(r"links/[0-9a-f]{32}/(head|[fr]/(0|[1-9][0-9]{0,18})/[1-9][0-9]{0,18})")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
#: what is replaced when there is news; all else is written once
_CHANGING = re.compile(rf"{CHECKPOINT}|{HANDOVERS}|links/[0-9a-f]{{32}}/head")


def is_published(path: str) -> bool:
    """Whether a path belongs to what a bank publishes."""
    if path in (CHECKPOINT, HANDOVERS) or _LINK.fullmatch(path):
        return True
    folder, _, name = path.partition("/")
    if folder == escrow.FOLDER:
        return escrow.batch_range(name) is not None
    try:
        parse_tile_path(path)
    except Invalid:
        return False
    return True


def application(folders: Mapping[str, Path]) -> Starlette:
    """The server of these folders, each under its name; one with an empty name is at the top."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    begins = {name: f"/{name}/" if name else "/" for name in folders}
    return Starlette(
        routes=[Route(begins[name] + "{path:path}", _giver(FolderShelf(folder))) for name, folder in folders.items()]
    )


def _giver(shelf: FolderShelf) -> Callable[[Request], Response]:
    from starlette.responses import Response

    def give(request: Request) -> Response:
        path: str = request.path_params["path"]
        try:
            content = shelf.read(path, escrow.MOST_BATCH_BYTES) if is_published(path) else None
        except Problem:
            content = None
        if content is None:
            return Response("there is no such file\n", 404, media_type="text/plain")
        kept = "no-cache" if _CHANGING.fullmatch(path) else "max-age=31536000, immutable"
        media = "text/plain; charset=utf-8" if path in (CHECKPOINT, HANDOVERS) else "application/octet-stream"
        return Response(content, headers={"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}, media_type=media)

    return give


def named(folders: tuple[Path, ...]) -> dict[str, Path]:
    """What each folder is served as: one alone at the top, several under their names."""
    if len(folders) == 1:
        return {"": folders[0]}
    found = {folder.resolve().name: folder for folder in folders}
    if len(found) < len(folders) or not all(_NAME.fullmatch(name) for name in found):
        what = "folders served together need names of their own, of letters, digits, strokes and dots"
        raise Usage("usage", what, "serve each on a port of its own")
    return found


def serve(folders: Mapping[str, Path], host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `ready` is told the address. `Unavailable`: "extra_missing", "address_taken"."""
    try:
        import uvicorn

        served = application(folders)
    except ImportError as error:
        what, hint = f"serving needs {error.name}, which is not installed", "install it: pip install 'timebank[serve]'"
        raise Unavailable("extra_missing", what, hint) from None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable("address_taken", f"{host}:{port} cannot be listened at: {error.strerror or error}") from None
    with listening:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}")
        quiet = uvicorn.Config(
            served,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            limit_concurrency=200,
            timeout_keep_alive=5,
        )
        uvicorn.Server(quiet).run([listening])
