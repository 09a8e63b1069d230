"""`timebank demo --banks N`: a small federation on one machine, with the mishaps that a year brings, in a minute."""

from __future__ import annotations

import io
import random
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import open_bank, open_keyring
from cli.output import counted, print_table, progress
from ledger.errors import Invalid, Problem, Refused
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.neighbours import Row
    from ledger.page import Page

    Reached = Callable[[int, int], None]

_NAMES = (
    *("rushey", "lewisham", "catford", "deptford", "sydenham", "brockley", "ladywell", "hither", "downham", "grove"),
    *("bellingham", "blackheath", "crofton", "evelyn", "forest", "honor", "telegraph", "whitefoot", "perry", "nunhead"),
)
_MEMBERS = ("ama", "bob", "mary", "pat")
_ROUNDS = 4
_MOST_SYNCS = 12


def play(folder: Path, banks: int, payments: int) -> None:
    """Found, pair, pay, lose, restore, settle; then compare every mirror and verify every log."""
    names = _NAMES[:banks]
    if any((folder / name).exists() for name in names):
        raise Refused("bank_exists", f"there is a demo in {folder} already", f"name another folder, or delete {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    found = _Federation(folder, names)
    with progress("founding and pairing") as reached:
        found.found(reached)
    click.echo(f"founded {counted(banks, 'bank')} in {folder}, each the neighbour of each")
    found.play(payments)
    found.tell()


class _Federation:
    """Banks in one host folder; what they publish lies beside them, as on a web host."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._folder, self._names = folder, names
        self._ordered = 0
        self._dice = random.Random(2026)  # noqa: S311  who pays whom in a demo

    def _bank(self, name: str) -> str:
        return str(self._folder / name)

    def found(self, reached: Reached) -> None:
        """Found every bank, open its members, pair it with those before it."""
        from federation.outbox import publish_in

        done, total = 0, len(self._names) * (len(self._names) - 1) // 2
        for number, name in enumerate(self._names):
            origin = f"{name}.example/hours"
            _do("init", self._bank(name), "--name", name.title(), "--origin", origin, "--no-passphrase")
            for handle in _MEMBERS:
                _do("account", "open", handle, "--name", f"{handle.title()} of {name}", "--bank", self._bank(name))
            web = self._folder / "www" / name
            web.mkdir(parents=True)
            publish_in(open_bank(Path(self._bank(name))), web)
            for other in self._names[:number]:
                self._pair(name, other)
                done += 1
                reached(done, total)

    def _pair(self, name: str, other: str) -> None:
        card, answer = self._folder / "invitation", self._folder / "answer"
        www = self._folder / "www"
        _do("neighbour", "invite", "-o", str(card), "--bank", self._bank(name))
        place = ("--where", str(www / name), "--bank", self._bank(other))
        _do("neighbour", "join", str(card), "-o", str(answer), *place)
        _do("neighbour", "join", str(answer), "--where", str(www / other), "--bank", self._bank(name))
        for one, two in ((name, other), (other, name)):
            words = _do("neighbour", "words", one, "--bank", self._bank(two)).split()
            _do("neighbour", "verify", two, *words, "--bank", self._bank(one))
            limits = ("--they-owe", "1000h", "--we-owe", "1000h")
            _do("neighbour", "limit", two, *limits, "--bank", self._bank(one))
        card.unlink()
        answer.unlink()

    def play(self, payments: int) -> None:
        """Payments in four rounds, and what happens meanwhile."""
        away, lost, (one, other) = self._names[1], self._names[2], (self._names[0], self._names[-1])
        share = [payments // _ROUNDS] * (_ROUNDS - 1)
        share.append(payments - sum(share))
        self._round(share[0], "all are there")
        self._round(share[1], f"{away} is away", absent=away)
        saved = self._folder / f"{lost}.backup"
        _do("backup", str(saved), "--bank", self._bank(lost))
        self._round(share[2], f"{away} is back")
        self._restore(lost, saved)
        self._dispute(one, other)
        self._round(share[3], "to the end")
        self._until_silent()

    def _round(self, count: int, label: str, absent: str = "") -> None:
        present = [name for name in self._names if name != absent]
        with progress(f"{count} payments: {label}") as reached:
            for number, name in enumerate(present):
                self._order(name, count // len(present) + (number < count % len(present)))
                reached(number + 1, 3 * len(present))
            for turn in range(2):
                for number, name in enumerate(present):
                    _sync(self._bank(name))
                    reached((turn + 1) * len(present) + number + 1, 3 * len(present))
        click.echo(f"{counted(count, 'payment')} across: {label}")

    def _order(self, name: str, count: int) -> None:
        """So many payments by members of one bank to members of others, in one transaction."""
        from federation.deciding import alias_of, alias_secret
        from federation.pairing import neighbour_link
        from federation.paying import Wanted, order_fact

        if not count:
            return
        to = [other for other in self._names if other != name]
        aliases: dict[str, list[str]] = {}
        for other in to:
            with open_bank(Path(self._bank(other))).reading() as page:
                secret = alias_secret(page, neighbour_link(page, name))
                aliases[other] = [alias_of(secret, page.account_of(handle)) for handle in _MEMBERS]
        bank = open_bank(Path(self._bank(name)))

        def work(page: Page) -> None:
            links = {other: neighbour_link(page, other) for other in to}
            for number in range(count):
                other = to[(self._ordered + number) % len(to)]
                payee = aliases[other][number % len(_MEMBERS)]
                wanted = Wanted(links[other], payee, self._dice.randint(1, 12), f"help {number}", again=True)
                page.add(*order_fact(page, _MEMBERS[(number // len(to)) % len(_MEMBERS)], wanted))

        bank.write(work, open_keyring(bank.folder, (), None))
        self._ordered += count

    def _restore(self, lost: str, saved: Path) -> None:
        """A disk is lost: the backup is old, what was published is not."""
        Path(self._bank(lost)).rename(self._folder / f"{lost}-lost")
        (self._folder / f"{lost}-lost" / "timebank.toml").rename(self._folder / f"{lost}-lost" / "lost.toml")
        told = _do("restore", str(saved), self._bank(lost), "--published", str(self._folder / "www" / lost))
        click.echo(told.strip().replace(str(self._folder) + "/", ""))
        from federation.outbox import publish_in

        publish_in(open_bank(Path(self._bank(lost))), self._folder / "www" / lost)

    def _dispute(self, one: str, other: str) -> None:
        """A link is frozen, and settled in three files."""
        files = [str(self._folder / f"{number}.settlement") for number in (1, 2, 3)]
        _do("neighbour", "freeze", other, "--bank", self._bank(one))
        _do("neighbour", "settle", other, "-o", files[0], "--bank", self._bank(one))
        _do("neighbour", "settle", one, files[0], "-o", files[1], "--bank", self._bank(other))
        told = _do("neighbour", "settle", other, files[1], "-o", files[2], "--bank", self._bank(one))
        _do("neighbour", "settle", one, files[2], "--bank", self._bank(other))
        click.echo(f"{one} and {other} had a dispute: {told.strip().partition(': ')[2]}")

    def _until_silent(self) -> None:
        for _ in range(_MOST_SYNCS):
            if not sum([_sync(self._bank(name)) for name in self._names]):
                return
        raise Invalid("link_differs", "the banks did not come to an end")

    def tell(self) -> None:
        """Every mirror and every log; `Invalid` if one does not hold."""
        rows = {name: self._rows(name) for name in self._names}
        wrong = [
            f"{name} and {other}"
            for name, standing in rows.items()
            for other, row in standing.items()
            if row.balance_minutes + rows[other][name].balance_minutes or row.offered_minutes or row.asked_minutes
        ]
        if wrong:
            raise Invalid("link_differs", f"the mirrors differ: {', '.join(wrong)}")
        with progress("verifying") as reached:
            verdicts = []
            for number, name in enumerate(self._names):
                verdicts.append(_do("verify", "--bank", self._bank(name)).splitlines()[0].partition(": ")[2])
                reached(number + 1, len(self._names))
        told = [
            (name, show_minutes(sum([row.balance_minutes for row in rows[name].values()])), verdict)
            for name, verdict in zip(self._names, verdicts, strict=True)
        ]
        print_table(("bank", "owes the others", "verified"), told, right=(1,))
        click.echo(f"{counted(self._ordered, 'payment')} across; every mirror is equal, every log holds")

    def _rows(self, name: str) -> dict[str, Row]:
        from federation.neighbours import rows

        with open_bank(Path(self._bank(name))).reading() as page:
            return {row.name: row for row in rows(page)}


def _do(*words: str) -> str:
    """Run a command; what it prints. It must go well."""
    from cli.main import timebank

    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = timebank.main(list(words), prog_name="timebank", standalone_mode=False)
    if status:
        raise Invalid("link_differs", f"timebank {' '.join(words)}: {err.getvalue() or out.getvalue()}".split("\n")[0])
    return out.getvalue()


def _sync(bank_dir: str) -> int:
    """Sync a bank with all its neighbours: how many frames and files that made."""
    from federation.office import sync_neighbour, to_sync

    bank = open_bank(Path(bank_dir))
    keyring, wrote = open_keyring(bank.folder, (), None), 0
    for name, link in to_sync(bank, ()):
        done = sync_neighbour(bank, keyring, link, None, None)
        problem: Problem | None = done.unreachable or next(iter(done.done.refused), None)
        if problem is not None or done.done.frozen:
            raise problem or Invalid("link_differs", f"{bank.folder.name}: {name} is frozen ({done.done.why})")
        wrote += done.done.sent + done.done.received
    return wrote
