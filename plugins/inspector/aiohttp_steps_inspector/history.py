"""The last runs, kept without what they were about: a bounded memory of times and statuses."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp_steps.types import Report

    from aiohttp_steps_inspector.values import Texts


class Record:
    """One run that is over.

    Attributes:
        number: of the run, from 1; each run has one more than the one before.
        ended_at: when it ended, in seconds since the epoch.
        report: its times and statuses, without values.
        texts: its inputs and values as text, `None` if they are not to be kept.
        summary: its document for the list of runs as JSON, `None` until somebody has asked for it.
    """

    # Not a dataclass: one is made for each run.
    __slots__ = ("ended_at", "number", "report", "summary", "texts")

    def __init__(self, number: int, report: Report, ended_at: float, texts: Texts | None) -> None:
        self.number = number
        self.ended_at = ended_at
        self.report = report
        self.texts = texts
        self.summary: bytes | None = None


class History:
    """Keeps the last runs; older ones are forgotten.

    Args:
        most: how many runs are kept.

    Attributes:
        total: how many runs there have been; the number of the last one.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.total = 0
        self._records: deque[Record] = deque(maxlen=most)

    def add(self, report: Report, ended_at: float, texts: Texts | None = None) -> None:
        """Keep a run; `report` has to be one without values.

        Args:
            ended_at: in seconds since the epoch.
        """
        self.total += 1
        self._records.append(Record(self.total, report, ended_at, texts))

    @property
    def last(self) -> Record | None:
        """The last run, `None` if there has been none."""
        return self._records[-1] if self._records else None

    def find(self, number: int) -> Record | None:
        """Return a run by its number, `None` if it is forgotten or there was none."""
        if not self._records:
            return None
        place = number - self._records[0].number
        return self._records[place] if 0 <= place < len(self._records) else None

    def since(self, number: int, most: int) -> list[Record]:
        """Return the runs after one, at most the `most` last of them, the earliest first."""
        newer = max(0, min(self.total - number, most, len(self._records)))
        reverse = reversed(self._records)
        return [next(reverse) for _ in range(newer)][::-1]

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._records))

    def __len__(self) -> int:
        return len(self._records)
