"""What wants attention today, each with the command that deals with it: gentle housekeeping, no fault. Reads only.

`doctor` tells what is wrong with the machine and the files; this, which people and promises are about to be forgotten.
Each look is a function below; `federation.attention` has those at the neighbours. By the ledger day or, if it is
later, today.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

from ledger.book.records import NEVER
from ledger.desk.accounts import RESTING, AccountRow, account_rows
from ledger.desk.mandates import day_of_next_entry
from ledger.desk.paybacks import payback_rows
from ledger.desk.polls import poll_rows
from ledger.desk.referrals import referral_rows
from ledger.facts import events as e
from ledger.hours import show_minutes
from ledger.keeping.backup import BACKED_UP
from ledger.reading import Reading
from ledger.views.institutions import WARNINGS, institutions

#: days in which somebody should have met a newcomer
UNMET_DAYS = 30
#: days before a mandate's last one
EXPIRING_DAYS = 30
#: minutes from a floor or a ceiling that are near it
NEAR_MINUTES = 60
#: days that a backup may be old
BACKUP_DAYS = 7


class Matter(NamedTuple):
    """Something that wants attention: `about` whom, in words, the command; since `days` or, below zero, in them."""

    kind: str
    about: str
    what: str
    command: str
    days: int


class Seen(NamedTuple):
    """What every look needs: the bank, its accounts, and the day."""

    page: Reading
    accounts: list[AccountRow]
    day: date

    def since(self, day: str) -> int:
        """The days that have passed since a day."""
        return (self.day - date.fromisoformat(day)).days


def look(page: Reading) -> Seen:
    """The bank as every look sees it."""
    return Seen(page, account_rows(page), date.fromisoformat(day_of_next_entry(page)))


def attention(seen: Seen) -> list[Matter]:
    """All that wants attention in the bank itself, the most pressing kinds first."""
    return [matter for one in LOOKS for matter in one(seen)]


def the_backup_is_recent(seen: Seen) -> Iterator[Matter]:
    """A copy was made within a week."""
    last = seen.page.log.meta(BACKED_UP)
    days = seen.since(last or seen.page.log.entry(0).at[:10])
    if days > BACKUP_DAYS or not last:
        what = f"the last backup is of {last}" if last else "no backup was made"
        yield Matter("backup", "the bank", what, "timebank backup FILE", days)


def disputes_are_decided(seen: Seen) -> Iterator[Matter]:
    """No dispute waits for the committee."""
    for (entry_id,) in seen.page.db.rows("SELECT id FROM book WHERE kind = 'contest' ORDER BY id"):
        found = seen.page.book.contest(str(entry_id))
        about = seen.page.tables.seen(str(entry_id))
        if about is None or found.disputed == NEVER or found.resolved != NEVER or found.reversed != NEVER:
            continue
        disputed = seen.page.tables.seen(seen.page.log.entry(found.disputed).id)
        command = f"timebank exchange resolve {about.leaf} --upheld (or --rejected)"
        days = seen.since(disputed.day if disputed else about.day)
        yield Matter("dispute", f"exchange {about.leaf}", "disputed, and not decided", command, days)


def votes_are_cast_and_adopted(seen: Seen) -> Iterator[Matter]:
    """Nobody misses a vote, and what was voted for is adopted."""
    for row in poll_rows(seen.page):
        if row.state == "carried":
            command, days = f"timebank policy adopt {row.proposal}", seen.since(row.lapses_on)
            yield Matter("vote", f"proposal {row.proposal}", "carried, and not adopted", command, days)
        elif row.state == "open":
            command, days = f"timebank policy vote {row.proposal} yes|no --as HANDLE", seen.since(row.closes_on)
            yield Matter("vote", f"proposal {row.proposal}", f"voted on until {row.closes_on}", command, days)


def referrals_are_followed(seen: Seen) -> Iterator[Matter]:
    """Nobody who was referred is left waiting; who it is, only `referral show` tells."""
    for row in referral_rows(seen.page):
        days = seen.since(row.made_on)
        if row.closed is None and row.taken_up is None and days > UNMET_DAYS:
            what = f"by {row.institution}, and nothing is said to have come of it"
            yield Matter("referral", f"referral {row.leaf}", what, f"timebank referral show {row.leaf}", days)


def what_was_agreed_is_given_back(seen: Seen) -> Iterator[Matter]:
    """Hours got up front were given back by the day agreed."""
    for row in payback_rows(seen.page):
        if seen.since(row.by) > 0:
            what = f"{show_minutes(row.left_minutes)} of help was to be given by {row.by}"
            yield Matter("payback", row.handle, what, f"timebank match {row.handle}", seen.since(row.by))


def help_flows_into_institutions(seen: Seen) -> Iterator[Matter]:
    """What an institution receives does not dry up: then it is no partner any more."""
    for one in institutions(seen.page):
        for warning in one.warnings:
            command = f"timebank institutions {one.handle}"
            yield Matter("inflow", one.handle, WARNINGS[warning], command, 0)


def mandates_go_on(seen: Seen) -> Iterator[Matter]:
    """Nobody is about to be left without a broker who signs for her."""
    for row in seen.accounts:
        record = seen.page.book.account(row.account)
        if record is None or record.keys or record.status == "closed":
            continue
        mandates = [found for one in record.mandates if (found := seen.page.book.mandate(one)) and found.active]
        last = max((found.terms.expires_on or "9999-12-31" for found in mandates), default="9999-12-31")
        days = seen.since(last)
        if days >= -EXPIRING_DAYS:
            what = f"the last mandate {'ends' if days <= 0 else 'ended'} on {last}"
            yield Matter("mandate", row.handle, what, f"timebank mandate grant {row.handle}", days)


def nobody_is_at_a_limit(seen: Seen) -> Iterator[Matter]:
    """Nobody is about to be stopped by the floor or the ceiling."""
    for row in seen.accounts:
        if row.status != "open" or row.kind in e.FEDERATION_KINDS:
            continue
        limits = seen.page.book.kind_policy(row.kind)
        if limits.floor_minutes is not None and row.available_minutes <= limits.floor_minutes + NEAR_MINUTES:
            what = f"stands at {show_minutes(row.minutes)}; the floor is {show_minutes(limits.floor_minutes)}"
            yield Matter("floor", row.handle, what, f"timebank match {row.handle}", 0)
        if limits.ceiling_minutes is not None and row.minutes >= limits.ceiling_minutes - NEAR_MINUTES:
            what = f"stands at {show_minutes(row.minutes)}; the ceiling is {show_minutes(limits.ceiling_minutes)}"
            yield Matter("ceiling", row.handle, what, f"timebank match {row.handle}", 0)


def _comes_and_goes(row: AccountRow) -> bool:
    return row.status == "open" and row.kind in RESTING


def _is_away(seen: Seen, row: AccountRow) -> bool:
    """Whether the policy's days of inactivity have passed."""
    return seen.since(row.last_active) > seen.page.book.policy.inactive_days


def newcomers_are_met(seen: Seen) -> Iterator[Matter]:
    """Whoever came over a month ago has exchanged something with somebody."""
    for row in seen.accounts:
        if not _comes_and_goes(row) or _is_away(seen, row):
            continue
        record = seen.page.book.account(row.account)
        opening = seen.page.log.entry(record.opened) if record else None
        came = seen.page.tables.seen(opening.id) if opening else None
        if opening is None or came is None or opening.fact.imported or seen.since(came.day) < UNMET_DAYS:
            continue
        if not _exchanged(seen.page, row.account):
            what = f"came on {came.day}, and has exchanged nothing yet"
            yield Matter("unmet", row.handle, what, f"timebank match {row.handle}", seen.since(came.day))


def _exchanged(page: Reading, account: str) -> bool:
    """Whether the account ever took part in more than its own starting credit."""
    rows = page.db.rows("SELECT leaf FROM lines WHERE account = ? ORDER BY served_on LIMIT 3", (account,))
    return any(getattr(page.log.entry(leaf).fact, "nature", "") not in ("starting", "opening") for (leaf,) in rows)


def nobody_is_forgotten(seen: Seen) -> Iterator[Matter]:
    """Nobody has been away for longer than the policy's days of inactivity."""
    for row in seen.accounts:
        if _comes_and_goes(row) and _is_away(seen, row):
            what = f"nothing given or received since {row.last_active}"
            yield Matter("inactive", row.handle, what, f"timebank match {row.handle}", seen.since(row.last_active))


LOOKS: tuple[Callable[[Seen], Iterator[Matter]], ...] = (
    the_backup_is_recent,
    disputes_are_decided,
    votes_are_cast_and_adopted,
    referrals_are_followed,
    what_was_agreed_is_given_back,
    help_flows_into_institutions,
    mandates_go_on,
    nobody_is_at_a_limit,
    newcomers_are_met,
    nobody_is_forgotten,
)
