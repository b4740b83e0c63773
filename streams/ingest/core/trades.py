"""Which trades of each instrument are in the log, and which are missing (rule 6).

trade_seq counts an instrument's trades without holes.  The seen numbers are kept as spans; a hole between two spans is asked for by
sequence, and closed for good once the venue has answered, recovered or not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

MAX_NAMES = 50_000


class Spans:
    """Sorted, disjoint, inclusive spans of seen numbers; normally one."""

    __slots__ = ("spans",)

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self.spans: list[list[int]] = []
        for number in numbers:
            self.add(number)

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.spans, [number, 1 << 63]) - 1
        return place >= 0 and number <= self.spans[place][1]

    @property
    def highest(self) -> int | None:
        return self.spans[-1][1] if self.spans else None

    def add(self, number: int) -> bool:
        """Take a number; False: it was there (a repeat)."""
        spans = self.spans
        if spans and number == spans[-1][1] + 1:  # the ordinary case
            spans[-1][1] = number
            return True
        if number in self:
            return False
        place = bisect_right(spans, [number, 1 << 63])
        spans.insert(place, [number, number])
        if place + 1 < len(spans) and spans[place + 1][0] == number + 1:
            spans[place][1] = spans.pop(place + 1)[1]
        if place > 0 and spans[place - 1][1] + 1 == number:
            spans[place - 1][1] = spans.pop(place)[1]
        return True

    def holes(self) -> list[tuple[int, int]]:
        """Missing spans between the lowest and the highest seen, inclusive."""
        return [(low[1] + 1, high[0] - 1) for low, high in zip(self.spans, self.spans[1:], strict=False)]

    def n_missing(self, first: int, last: int) -> int:
        """How many of first..last have not been seen."""
        seen = sum(max(0, min(last, high) - max(first, low) + 1) for low, high in self.spans)
        return last - first + 1 - seen

    def close(self, first: int, last: int) -> None:
        """Count first..last as seen: the venue has nothing more to say of them."""
        touching = [span for span in self.spans if span[0] <= last + 1 and span[1] >= first - 1]
        kept = [span for span in self.spans if span not in touching]
        low = min([first, *(span[0] for span in touching)])
        high = max([last, *(span[1] for span in touching)])
        self.spans = sorted([*kept, [low, high]])


class Ledger:
    """Spans by instrument."""

    def __init__(self, known: dict[str, tuple[int, ...]] | None = None) -> None:
        self.by_name: dict[str, Spans] = {name: Spans(numbers) for name, numbers in (known or {}).items()}

    def add(self, instrument_name: str, trade_seq: int) -> bool:
        """Take a trade's number; False: a repeat."""
        spans = self.by_name.get(instrument_name)
        if spans is None:
            if len(self.by_name) >= MAX_NAMES:
                return True  # nobody trades so many; whoever makes up names gets them through, and engines drop the repeats
            spans = self.by_name[instrument_name] = Spans()
        return spans.add(trade_seq)

    def has_holes(self, instrument_name: str) -> bool:
        spans = self.by_name.get(instrument_name)
        return spans is not None and len(spans.spans) > 1

    def holes(self) -> list[tuple[str, int, int]]:
        """(instrument, first, last) of every hole."""
        return [
            (name, first, last)
            for name, spans in self.by_name.items()
            if len(spans.spans) > 1
            for first, last in spans.holes()
        ]

    def n_missing(self, instrument_name: str, first: int, last: int) -> int:
        spans = self.by_name.get(instrument_name)
        return last - first + 1 if spans is None else spans.n_missing(first, last)

    def close(self, instrument_name: str, first: int, last: int) -> None:
        self.by_name.setdefault(instrument_name, Spans()).close(first, last)

    def drop(self, instrument_name: str) -> None:
        self.by_name.pop(instrument_name, None)
