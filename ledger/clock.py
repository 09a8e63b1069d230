"""What time it is: the one place where a clock enters. Everything else is judged by the ledger day."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime


class Clock:
    """The machine's clock, or a fixed instant for tests."""

    def __init__(self, fixed: datetime | None = None) -> None:
        self._fixed = fixed

    def now(self) -> datetime:
        """The instant it is, UTC."""
        return self._fixed or datetime.now(UTC)

    def milliseconds(self) -> int:
        """The Unix milliseconds of that instant."""
        return int(self._fixed.timestamp() * 1000) if self._fixed else time.time_ns() // 1_000_000

    def today(self) -> date:
        """The day it is, where the operator is (UTC for a fixed instant)."""
        return self._fixed.date() if self._fixed else datetime.now().astimezone().date()
