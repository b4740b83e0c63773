"""Which channels are wanted, asked for and confirmed on one connection; and the trade numbers seen on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas import OptionTrade
from streams.deribit.events import TradeGap

# A trade number this far from the last is no gap to fill by asking: the counting starts anew there (a wrong number must not
# hide every later gap, nor start a backfill of a billion trades).
LARGEST_GAP = 100_000
LARGEST_STEP_BACK = 1_000


class Subscriptions:
    """Channels of one connection.  A channel is waiting, asked for, confirmed or given up; it is in one of these only."""

    def __init__(self, batch_channels: int, max_attempts: int) -> None:
        self._batch, self._max_attempts = batch_channels, max_attempts
        self._waiting: dict[str, int] = {}  # channel -> times asked; ordered
        self._asked: dict[str, int] = {}
        self._confirmed: dict[str, None] = {}
        self._new: dict[str, None] = {}  # confirmed since the last `complete`
        self._given_up: dict[str, None] = {}

    def want(self, channels: Iterable[str]) -> None:
        """Ask for these too, unless that is done or under way."""
        for channel in channels:
            known = channel in self._confirmed or channel in self._asked or channel in self._given_up
            if not known:
                self._waiting.setdefault(channel, 0)

    def drop(self, channels: Iterable[str]) -> list[str]:
        """Forget these; returns those that the venue has to be told to stop."""
        stop: list[str] = []
        for channel in channels:
            self._waiting.pop(channel, None)
            self._given_up.pop(channel, None)
            self._new.pop(channel, None)
            if channel in self._confirmed or channel in self._asked:
                self._confirmed.pop(channel, None)
                self._asked.pop(channel, None)
                stop.append(channel)
        return stop

    def holds(self, channel: str) -> bool:
        """Whether the channel is waiting, asked for or confirmed."""
        return channel in self._confirmed or channel in self._asked or channel in self._waiting

    def next_batch(self) -> tuple[str, ...]:
        """Channels for one subscribe request, now asked for; empty when none waits."""
        batch = list(self._waiting)[: self._batch]
        for channel in batch:
            self._asked[channel] = self._waiting.pop(channel) + 1
        return tuple(batch)

    def confirm(self, asked: Sequence[str], confirmed: Iterable[str]) -> list[str]:
        """Take an answer: confirmed channels, and the missing ones to be asked again; returns those given up."""
        answered = set(confirmed)
        for channel in asked:
            if channel in answered and self._asked.pop(channel, None) is not None:
                self._confirmed[channel] = self._new[channel] = None
        return self._again([channel for channel in asked if channel not in answered])

    def refuse(self, asked: Sequence[str]) -> list[str]:
        """A refused request: its channels again in batches half as large, so that one bad name is found; returns those given up."""
        self._batch = max(1, min(self._batch, len(asked)) // 2)
        return self._again(asked, may_give_up=len(asked) == 1)

    def lost(self, asked: Sequence[str]) -> list[str]:
        """No answer came: the same channels again; returns those given up."""
        return self._again(asked)

    def _again(self, channels: Sequence[str], *, may_give_up: bool = True) -> list[str]:
        given_up = []
        for channel in channels:
            n_asked = self._asked.pop(channel, None)
            if n_asked is None:
                continue  # dropped meanwhile
            if may_give_up and n_asked >= self._max_attempts:
                self._given_up[channel] = None
                given_up.append(channel)
            else:
                self._waiting[channel] = n_asked
        return given_up

    @property
    def is_settled(self) -> bool:
        """Nothing waits to be asked or confirmed."""
        return not self._waiting and not self._asked

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def confirmed(self) -> tuple[str, ...]:
        return tuple(self._confirmed)

    def take_new(self) -> tuple[str, ...]:
        """Channels confirmed since the last call."""
        new = tuple(self._new)
        self._new.clear()
        return new


class Sequences:
    """The last trade number of every instrument: a jump is a gap.  Bounded by ``limit`` instruments; beyond it none is added."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last: dict[str, int] = {}

    def gaps(self, trades: Iterable[OptionTrade]) -> list[TradeGap]:
        """Numbers that the trades of one message jump over; order inside the message does not matter, repeats neither."""
        found: list[TradeGap] = []
        for trade in sorted(trades, key=lambda trade: trade.trade_seq):
            name, number = trade.instrument_name, trade.trade_seq
            last = self._last.get(name)
            if last is None and len(self._last) >= self._limit:
                continue
            if last is not None and last + 1 < number <= last + LARGEST_GAP:
                found.append(TradeGap(name, last + 1, number - 1))
            if last is None or number > last or number < last - LARGEST_STEP_BACK:
                self._last[name] = number
        return found

    def forget(self, instrument_name: str) -> None:
        self._last.pop(instrument_name, None)
