"""A venue made of hand-written events, and an ingest core that listens to it: for tests of the rules of the log."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, TypeVar

from schemas import InstrumentState, OptionQuote, OptionTrade
from schemas.enums import Direction, InstrumentStatus, Liquidation, TickDirection
from streams.deribit import events as ev
from streams.deribit.contracts import inferred_state
from streams.ingest import core
from streams.partitioning import N_PARTITIONS, partition_of

S = 1_000_000_000
MS = 1_000_000
EPOCH = 42
CALL, PUT, OTHER, FUTURE, PERPETUAL = (
    "BTC-14APR23-30000-C",
    "BTC-14APR23-30000-P",
    "BTC-28APR23-32000-C",
    "BTC-28APR23",
    "BTC-PERPETUAL",
)
NAMES = (CALL, PUT, OTHER, FUTURE, PERPETUAL)
R = TypeVar("R")


def at(text: str) -> int:
    """ns UTC of a time of 13 April 2023 ("12:00:00"), or of a full ISO time."""
    full = text if "T" in text else f"2023-04-13T{text}"
    moment = datetime.datetime.fromisoformat(full + "+00:00")
    return int(moment.timestamp()) * S + moment.microsecond * 1_000


NOON = at("12:00:00")


def quote(ts_ns: int, name: str = CALL, **fields: Any) -> OptionQuote:
    values: dict[str, Any] = dict.fromkeys(OptionQuote._fields)
    values.update(
        ts_event_ns=ts_ns, ingest_epoch=-1, instrument_name=name, is_snapshot=False, state=InstrumentStatus.OPEN
    )
    values.update(bid=0.02, ask=0.021, bid_size=1.0, ask_size=1.0)
    return OptionQuote(**{**values, **fields})


def trade(ts_ns: int, seq: int, name: str = CALL, **fields: Any) -> OptionTrade:
    values: dict[str, Any] = {
        "ts_event_ns": ts_ns, "ingest_epoch": -1, "instrument_name": name, "trade_id": f"{name}/{seq}", "trade_seq": seq,
        "price": 0.02, "amount_coin": 1.0, "direction": Direction.BUY, "tick_direction": TickDirection.PLUS,
        "trade_sigma": 0.5, "index_price": 30_000.0, "mark": 0.02, "liquidation": Liquidation.NONE, "block_trade_id": None,
        "block_leg_count": None, "block_rfq_id": None, "combo_id": None, "combo_trade_id": None, "is_backfill": False,
    }  # fmt: skip
    return OptionTrade(**{**values, **fields})


def index(ts_ns: int, price: float = 30_000.0, name: str = "btc_usd") -> ev.IndexPrice:
    return ev.IndexPrice(name, ts_ns, price)


def future(ts_ns: int, mark: float = 30_010.0, name: str = PERPETUAL) -> ev.FutureTicker:
    return ev.FutureTicker(name, ts_ns, mark - 1, mark + 1, mark, mark, 1e6, 1e8, 0.0001, 0.0, None, None, "open")


def instrument(name: str, ts_ns: int = NOON - 43_200 * S) -> InstrumentState:
    state = inferred_state(name, ts_ns)
    assert state is not None
    return state._replace(is_inferred=False, creation_ns=NOON)


def listing(names: Sequence[str] = NAMES, currency: str = "BTC") -> ev.InstrumentList:
    return ev.InstrumentList(currency, tuple(instrument(name) for name in names), 0)


class World:
    """Feeds a core and keeps what it put out.  ``now_ns`` is ingest's own clock; by default it equals the venue's."""

    def __init__(
        self, recovered: core.Recovered | None = None, start_ns: int = NOON, lag_ns: int = 50 * MS, **settings: Any
    ) -> None:
        settings.setdefault("currencies", ("BTC",))
        self.state = core.new_state(EPOCH, core.CoreSettings(**settings), recovered)
        self.now_ns = start_ns
        self.lag_ns = lag_ns
        self.outcomes: list[core.Outcome] = []

    def give(self, *events: Any) -> list[core.Outcome]:
        """Give events at the present time; returns what came out of these."""
        first = len(self.outcomes)
        for event in events:
            self.state, outcomes = core.step(self.state, event)
            self.outcomes += outcomes
        return self.outcomes[first:]

    def tick(self, now_ns: int | None = None) -> list[core.Outcome]:
        self.now_ns = self.now_ns if now_ns is None else now_ns
        return self.give(core.Tick(self.now_ns))

    def pass_to(self, now_ns: int, every_ns: int = 100 * MS) -> list[core.Outcome]:
        """Let time pass in silence, ticking as the shell does."""
        first = len(self.outcomes)
        while self.now_ns < now_ns:
            self.tick(min(now_ns, self.now_ns + every_ns))
        return self.outcomes[first:]

    def live(self, *events: Any) -> list[core.Outcome]:
        """Give timed events, each at its own time plus the lag."""
        first = len(self.outcomes)
        for event in events:
            ts_ns = event[0] if isinstance(event, OptionQuote | OptionTrade) else event[1]
            self.pass_to(ts_ns + self.lag_ns)
            self.give(event)
        return self.outcomes[first:]

    def venue_time(self) -> ev.VenueTime:
        return ev.VenueTime(self.now_ns, self.now_ns - 10 * MS, self.now_ns + 10 * MS)

    def connect(self, names: Sequence[str] = NAMES, *, is_subscribed: bool = True) -> list[core.Outcome]:
        """Connected, venue time, instrument list, and every channel confirmed."""
        first = len(self.outcomes)
        self.tick()
        self.give(ev.Connected(self.now_ns), self.venue_time(), listing(names))
        if is_subscribed:
            self.give(ev.Subscribed(self.now_ns, ("ticker.x.100ms", "trades.option.BTC.100ms")))
        return self.outcomes[first:]

    def start(self, names: Sequence[str] = NAMES) -> World:
        """A running ingest: connected, first snapshot written."""
        self.connect(names)
        self.pass_to(self.now_ns + 4 * S)
        return self

    # ---- what came out

    @property
    def outs(self) -> list[core.Out]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, core.Out)]

    def records(self, kind: type[R], outcomes: Sequence[core.Outcome] | None = None) -> list[R]:
        chosen = self.outcomes if outcomes is None else outcomes
        return [
            outcome.record for outcome in chosen if isinstance(outcome, core.Out) and isinstance(outcome.record, kind)
        ]

    def of(self, kind: type[R]) -> list[R]:
        """Outcomes of a kind that are no records: requests, Fatal, Status."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, kind)]

    def log(self, partition: int) -> list[tuple[int, Any]]:
        """(log time, record) of one partition, in order."""
        return [(out.log_time_ns(partition), out.record) for out in self.outs if out.partition in (None, partition)]


def log_times_by_rule(log: Sequence[tuple[int, Any]]) -> list[int]:
    """Rule 2 written down a second time, from the records alone: what the log times of a partition must be."""
    times, running_ns, clock_ns = [], 0, 0
    for _, record in log:
        kind = type(record).__name__
        counts_ns = record.ts_event_ns
        if kind not in ("Clock", "SettlementFixing"):
            counts_ns = min(counts_ns, clock_ns + 2 * S)
        if kind == "Clock":
            clock_ns = record.ts_event_ns
        running_ns = max(running_ns, counts_ns)
        times.append(running_ns)
    return times


def recovered(last_clock_ns: int, **fields: Any) -> core.Recovered:
    return core.Recovered((last_clock_ns,) * N_PARTITIONS, last_clock_ns, **fields)


assert len({partition_of(name) for name in (CALL, OTHER)}) == 2
