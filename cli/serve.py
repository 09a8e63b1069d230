"""`timebank serve`: published folders for neighbours and auditors, by HTTP, read-only."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.errors import Usage


@click.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8800, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
def serve(folders: tuple[Path, ...], host: str, port: int) -> None:
    """Serve published folders by HTTP, until interrupted: what a bank publishes, and nothing else.

    One folder stands at the top of the address, several under their names. Nobody can write, or list a folder. Any web
    server does the same for such a folder. Neighbours take plain http from this machine only: to be read from
    elsewhere, put one with a certificate in front.

    \b
    timebank serve ../www
    timebank serve --port 9000 /srv/hours/oak /srv/hours/elm

    It needs: pip install 'timebank[serve]'
    """
    from federation.carriers.serving import named
    from federation.carriers.serving import serve as serve_folders

    for folder in folders:
        if not folder.is_dir():
            raise Usage("no_file", f"there is no folder {folder}")
    at = named(folders)

    def ready(address: str) -> None:
        for name, folder in at.items():
            click.echo(f"serving {folder} at {address}/{name}")

    serve_folders(at, host, port, ready)
