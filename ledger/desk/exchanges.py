"""From what a person says of an exchange to the fact: handles, a time, a date, a category.

Words are made whole minutes, dates and account ids here, and the repeated Enter is noticed: an exchange that is the
twin of one already recorded (same accounts, minutes, date, category, nature and memo) is refused unless it is said
to have happened again. What may be recorded is for `rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.errors import Refused, Usage
from ledger.facts import events as e
from ledger.hours import show_minutes, whole_minutes
from ledger.page import Page
from ledger.views.statements import find_exchange
from ledger.words import clean_category, clean_text, parse_date, quote

LONGEST_MEMO = 1000


class Said(NamedTuple):
    """What was said of an exchange, besides who and how long. Empty texts mean the default."""

    on: str = ""
    category: str = ""
    nature: str = "service"
    memo: str = ""
    free: bool = False
    again: bool = False


def minutes_of(page: Page, time: str) -> int:
    """Whole minutes, rounded if the policy rounds."""
    return whole_minutes(time, page.book.policy.rounding)


def between(page: Page, giver: str, receiver: str, time: str) -> e.Legs:
    """The two legs of an everyday exchange."""
    credited, debited = page.account_of(giver), page.account_of(receiver)
    if credited == debited:
        raise Refused("self_payment", f"{giver} and {receiver} are the same account")
    minutes = minutes_of(page, time)
    return tuple(sorted(((credited, minutes), (debited, -minutes))))


def shared(page: Page, givers: Sequence[str], receivers: Sequence[str], time: str, *, remainder_to_pot: bool) -> e.Legs:
    """The legs of a group exchange: one side is one account with the whole time, the other shares it equally.

    What does not divide is refused, or rounded up to whole minutes on the side that pays and the rest kept by the pot.
    """
    credited = [page.account_of(handle) for handle in givers]
    debited = [page.account_of(handle) for handle in receivers]
    together = credited + debited
    twice = [word for word, account in zip((*givers, *receivers), together, strict=True) if together.count(account) > 1]
    if twice:
        raise Refused("self_payment", f"{twice[-1]} stands twice in the group", "name every account once")
    if min(len(credited), len(debited)) != 1 or len(together) < 3:
        hint = "one to one is: timebank record GIVER RECEIVER TIME" if len(together) == 2 else ""
        raise Refused("not_a_group", f"{len(credited)} who gave and {len(debited)} who received are no group", hint)
    minutes = minutes_of(page, time)
    many = credited if len(credited) > 1 else debited
    share, rest = divmod(minutes, len(many))
    if rest and not remainder_to_pot:
        raise Refused("remainder", f"{show_minutes(minutes)} cannot be shared by {len(many)} in whole minutes")
    if share == 0:
        raise Refused("zero_time", f"{show_minutes(minutes)} shared by {len(many)} is less than a minute each")
    legs = _shares(credited, debited, minutes, share, rest)
    over = -sum(legs.values())
    if over:
        pot = page.book.founded.pot
        legs[pot] = legs.get(pot, 0) + over
    return tuple(sorted(item for item in legs.items() if item[1]))


def spelled(page: Page, legs: Sequence[str]) -> e.Legs:
    """The legs of an exchange in which each account has a time of its own: `ada=2h` gave, `bob=-1h30` received."""
    found: dict[str, int] = {}
    for leg in legs:
        handle, equals, time = leg.rpartition("=")
        if not equals:
            raise Usage("usage", f"--leg {quote(leg)} is not HANDLE=TIME", "write --leg ada=2h, or --leg bob=-1h30")
        account = page.account_of(handle)
        if account in found:
            raise Refused("self_payment", f"{handle} stands twice in the group", "name every account once")
        minutes = minutes_of(page, time.removeprefix("-").removeprefix("+"))
        found[account] = -minutes if time.startswith("-") else minutes
    over = sum(found.values())
    if over:
        more, less = ("given", "received") if over > 0 else ("received", "given")
        raise Refused("uneven", f"{show_minutes(abs(over))} more is {more} than {less}")
    return tuple(sorted(found.items()))


def _shares(credited: list[str], debited: list[str], minutes: int, share: int, rest: int) -> dict[str, int]:
    """The legs before the pot's: givers never get more than was paid."""
    if len(credited) > 1:
        return {debited[0]: -minutes} | dict.fromkeys(credited, share)
    return {credited[0]: minutes} | dict.fromkeys(debited, -(share + (1 if rest else 0)))


def exchange_fact(page: Page, legs: e.Legs, said: Said) -> tuple[e.ExchangeRecorded, dict[str, str]]:
    """The fact for some legs, and its private details; refuses a twin unless `said.again`."""
    served_on = parse_date(said.on or "today", page.today).isoformat()
    category = clean_category(said.category) if said.category else "other"
    private = {"memo": clean_text("the text", said.memo, LONGEST_MEMO)} if said.memo else {}
    moved, uncredited = ((), legs) if said.free else (legs, ())
    fact = e.ExchangeRecorded(served_on, category, said.nature, moved, uncredited)
    if not said.again:
        _refuse_twin(page, fact, private.get("memo", ""))
    return fact, private


def starting_fact(page: Page, account: str) -> e.ExchangeRecorded | None:
    """The starting credit that the policy gives an account, or None when it gives none."""
    found = page.book.account(account)
    minutes = page.book.kind_policy(found.kind).starting_minutes if found else None
    if found is None or minutes is None or found.started:
        return None
    legs = tuple(sorted(((account, minutes), (page.book.founded.pot, -minutes))))
    return e.ExchangeRecorded(page.book.founded.day, "starting-credit", "starting", legs)


def _refuse_twin(page: Page, fact: e.ExchangeRecorded, memo: str) -> None:
    said = hash((fact, memo))
    if said in page.said:
        raise Refused("twin", "an earlier line says the same exchange")
    index = _stored_twin(page, fact, memo)
    if index is not None:
        raise Refused("twin", f"the same exchange is already recorded, as entry {index}")
    page.said.add(said)


def _stored_twin(page: Page, fact: e.ExchangeRecorded, memo: str) -> int | None:
    """The index of an exchange recorded before this page that says exactly the same and was not reversed."""
    legs, column = (fact.legs, "minutes") if fact.legs else (fact.uncredited, "uncredited")
    if not page.may_have_exchanged(legs[0][0], fact.served_on):
        return None
    alike = f"SELECT leaf FROM lines WHERE account = ? AND served_on = ? AND {column} = ?"
    between = legs[:2]  # who else took part, the entry tells
    query = f"""SELECT leaf FROM ({" INTERSECT ".join([alike] * len(between))}) alike WHERE leaf < ?
        AND COALESCE((SELECT value FROM openings WHERE openings.leaf = alike.leaf AND field = 'memo'), '') = ?"""
    said = [word for account, minutes in between for word in (account, fact.served_on, minutes)]
    for (index,) in page.db.rows(query, (*said, page.first, memo)):
        entry = page.log.entry(index)
        if _same(entry.fact, fact) and page.book.contest(entry.id).reversed < 0:
            return int(index)
    return None


def _same(found: Any, fact: e.ExchangeRecorded) -> bool:
    if not isinstance(found, e.ExchangeRecorded):
        return False
    return all(getattr(found, name) == getattr(fact, name) for name in _TELLING)


_TELLING = ("legs", "uncredited", "served_on", "category", "nature")


def ref_to(page: Page, word: str) -> e.Ref:
    """The reference to the exchange a person names."""
    _, entry = find_exchange(page, word)
    return e.Ref(entry.hash.hex(), entry.id)


def reversal(page: Page, word: str) -> e.ExchangeReversed:
    """The reversal, today, of the exchange a person names."""
    _, entry = find_exchange(page, word)
    legs = tuple((account, -minutes) for account, minutes in entry.fact.legs)
    return e.ExchangeReversed(e.Ref(entry.hash.hex(), entry.id), page.book.founded.day, legs)


def reasons(reason: str) -> dict[str, str]:
    """The private details of an entry that may have a reason."""
    return {"reason": clean_text("the reason", reason, LONGEST_MEMO)} if reason else {}
