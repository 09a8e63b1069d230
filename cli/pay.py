"""`timebank pay`, `invoice` and `payment`: paying members of neighbouring banks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_bank, open_reading, signing_options
from cli.neighbour import output_option, put
from cli.output import print_json, print_table, say
from cli.recorded import sign_and_finish
from ledger.errors import Usage
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from federation.paying import PaymentRow, ReceivedRow
    from ledger.page import Page


@click.command()
@click.argument("to", metavar="[MEMBER@NEIGHBOUR]", required=False)
@click.argument("time", required=False)
@click.option("--from", "payer", metavar="HANDLE", required=True, help="The member here who pays.")
@click.option("--for", "memo", metavar="TEXT", default="", help="What for (only the two members' banks see it).")
@click.option("--refunds", metavar="PAYMENT", default="", help="It gives back this payment of theirs.")
@click.option("--invoice", "file", metavar="FILE", type=click.Path(path_type=Path), help="Pay what their invoice says.")
@click.option("--again", is_flag=True, help="It is really wanted twice: order an identical payment again.")
@signing_options
def pay(
    to: str | None, time: str | None, payer: str, memo: str, refunds: str, file: Path | None, **options: Any
) -> None:
    """Pay a member of a neighbouring bank TIME, from HANDLE.

    \b
    timebank pay mary@lewisham 1h30 --from bob --for "lighter curtains"
    timebank pay k7q2m4xabc@lewisham 1h30 --from bob
    timebank pay --invoice mary.invoice --from bob

    MEMBER is a name kept with timebank alias keep, or the alias itself. The payer's word is needed as in timebank
    record: the own key, or a broker's under a mandate. The minutes are held from now on; timebank sync carries the
    payment, and timebank payment list tells how it stands.
    """
    from federation import paying
    from ledger.folder import named_file

    again = options.pop("again")
    raw = named_file(file) if file else b""
    if bool(raw) == bool(to) or bool(to) != bool(time) or (raw and (memo or refunds)):
        raise Usage("usage", "pay needs MEMBER@NEIGHBOUR and TIME, or --invoice FILE", "see: timebank pay --help")

    def draft(page: Page) -> tuple[Any, dict[str, str]]:
        if raw:
            wanted = paying.invoiced(paying.open_invoice(page, raw))._replace(again=again)
        else:
            wanted = paying.wanted_of(page, to or "", time or "", memo, refunds, again=again)
        return paying.order_fact(page, payer, wanted)

    sign_and_finish(options, draft)
    if raw:
        _remember(options["bank_dir"], raw)
    say("hint: timebank sync carries it")


def _remember(bank_dir: Path | None, raw: bytes) -> None:
    """Keep the name on an invoice for its alias, if it is not in use."""
    from federation import kept
    from federation.paying import open_invoice

    bank = open_bank(bank_dir)
    with bank.reading() as page:
        invoice = open_invoice(page, raw)
        known = kept.contact(page.db, invoice.link, invoice.name)
    if known is None:
        with bank.store.writing() as log:
            kept.keep_contact(log.db, kept.Contact(invoice.link, invoice.name, invoice.alias))


@click.command()
@click.argument("handle")
@click.argument("time")
@click.option("--for-neighbour", "neighbour", metavar="NAME", required=True, help="The bank of whoever is to pay.")
@click.option("--for", "memo", metavar="TEXT", default="", help="What for.")
@output_option
@bank_option
@json_option
def invoice(
    handle: str, time: str, neighbour: str, memo: str, output: Path | None, bank_dir: Path | None, *, as_json: bool
) -> None:
    """Print an invoice of HANDLE for TIME, to be paid by a member of a neighbouring bank.

    \b
    timebank invoice mary 1h30 --for-neighbour rushey --for "lighter curtains" -o mary.invoice

    It is signed by this bank, names HANDLE by the alias used with that neighbour, and is paid once, with timebank pay
    --invoice FILE.

    JSON: link, alias, minutes, reference, invoice (the text).
    """
    from federation.paying import make_invoice, sign_invoice
    from federation.syncing import link_keys

    bank = open_bank(bank_dir)
    with bank.reading() as page:
        made = make_invoice(page, handle, neighbour, time, memo)
        key = page.book.key(page.book.link(made.link).key)  # type: ignore[union-attr]
    keys = link_keys(bank, made.link)
    raw = sign_invoice(made, keys[key.public if key else ""])
    if as_json:
        told = {"link": made.link, "alias": made.alias, "minutes": made.minutes, "reference": made.reference}
        print_json(told | {"invoice": raw.decode()})
    if output is not None or not as_json:
        put(raw, output)


@click.group()
def payment() -> None:
    """See payments to and from neighbouring banks; withdraw one, or release what it holds."""


@payment.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not decided.")
@click.option("--received", "incoming", is_flag=True, help="Payments of neighbours' members to ours, instead.")
@bank_option
@json_option
def list_payments(bank_dir: Path | None, *, only_open: bool, incoming: bool, as_json: bool) -> None:
    """List the payments of our members to neighbours', or with --received of theirs to ours.

    \b
    timebank payment list --open
    timebank payment list --received

    JSON: payments: [number, pid, payer, payee, neighbour, minutes, memo, state (ordered, offered, posted, voided,
    cancelled), words, ordered_on, sent_on, ended_on, days, aged (0, 7, 30 or 60 days), reason, released, refunds];
    with --received: [number, pid, neighbour, payee (empty: not taken), minutes, memo, decided_on, refunds (the pid of
    ours that it gives back), refunded (the number of that one's entry, or null)].
    """
    from federation import paying

    with open_reading(bank_dir) as page:
        rows: list[Any] = list(paying.received(page) if incoming else paying.payments(page, only_open=only_open))
    if as_json:
        print_json({"payments": [row._asdict() for row in rows]})
    elif incoming:
        print_table(("from", "to", "time", "on", "payment", "for"), [_received_cells(row) for row in rows], right=(2,))
    else:
        print_table(
            ("entry", "from", "to", "time", "ordered", "how it stands", "for"),
            [_cells(row) for row in rows],
            right=(0, 3),
        )


def _cells(row: PaymentRow) -> tuple[str, ...]:
    aged = f" (over {row.aged} days)" if row.aged else ""
    to = f"{row.payee}@{row.neighbour}"
    return str(row.number), row.payer, to, show_minutes(row.minutes), row.ordered_on, row.words + aged, row.memo


def _received_cells(row: ReceivedRow) -> tuple[str, ...]:
    payee = row.payee or "(not taken)"
    back = f"gives back payment {row.refunded}" if row.refunded is not None else ""
    memo = f"{row.memo} ({back})" if row.memo and back else row.memo or back
    return row.neighbour, payee, show_minutes(row.minutes), row.decided_on, row.pid[-8:], memo


_SHOWN = ("number", "pid", "payer", "payee", "minutes", "memo", "refunds", "words", "ordered_on", "sent_on", "ended_on")


@payment.command()
@click.argument("number", metavar="PAYMENT")
@bank_option
@json_option
def show(number: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Show one payment of ours, by the number of its entry or the end of its pid.

    \b
    timebank payment show 17

    JSON: the keys of payment list.
    """
    from federation.paying import find_payment

    with open_reading(bank_dir) as page:
        row = find_payment(page, number)
    if as_json:
        print_json(row._asdict())
        return
    shown = row._asdict() | {"minutes": show_minutes(row.minutes), "payee": f"{row.payee}@{row.neighbour}"}
    for key in _SHOWN:
        if shown[key] != "":
            click.echo(f"{key.replace('_', ' '):10} {shown[key]}")
    if row.aged:
        click.echo(f"{'held for':10} {row.days} days")


@payment.command()
@click.argument("number", metavar="PAYMENT")
@signing_options
def cancel(number: str, **options: Any) -> None:
    """Withdraw a payment that was not offered yet: by the payer's word, or the committee's.

    \b
    timebank payment cancel 17
    """
    from federation.paying import cancelling

    sign_and_finish(options, lambda page: cancelling(page, number))


@payment.command()
@click.argument("number", metavar="PAYMENT")
@signing_options
def release(number: str, **options: Any) -> None:
    """Give the payer back what is held for a payment that the neighbour does not decide. By the committee.

    \b
    timebank payment release 17

    At the bank's own risk: if the neighbour took the payment after all, the bank pays it.
    """
    from federation.paying import releasing

    sign_and_finish(options, lambda page: releasing(page, number))
