"""Hand-written logs of one partition: offsets, epochs and broadcast numbers are counted, everything else has a plain default.

    log = Log()
    log.clock(0); log.contract(CALL); log.quote(CALL, bid=0.0500, ask=0.0510); log.set(); log.clock(1)
    results = log.run()

Times are seconds after ``START_NS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from schemas import (
    Clock,
    Direction,
    FeedGap,
    ForwardQuote,
    FutureQuote,
    Greeks,
    InstrumentSet,
    InstrumentState,
    InstrumentStatus,
    Kind,
    Liquidation,
    OptionQuote,
    OptionTrade,
    OptionType,
    Payoff,
    Record,
    SettlementFixing,
    TickDirection,
    UnderlyingQuote,
)
from streams.engine import EngineSettings, Identity, Located, Result, State, Unreadable, new_state, step

NS = 1_000_000_000
DAY_S = 86_400
START_NS = 1_681_282_800 * NS  # 2023-04-12T07:00:00Z
IDENTITY = Identity(3, "log-a", "settings-a", "1", "cpu-a", "avro", "deribit.ticks.v1")
CALL = "BTC-19APR23-30000-C"
PUT = "BTC-19APR23-30000-P"
FORWARD = 30_000.0


def ns(seconds: float) -> int:
    return START_NS + round(seconds * NS)


class Log:
    """A partition's log being written."""

    def __init__(self, identity: Identity = IDENTITY, first_offset: int = 0) -> None:
        self.identity, self.epoch, self.seq = identity, 1, 0
        self.first_offset = first_offset
        self.records: list[Record | Unreadable] = []

    @property
    def located(self) -> list[Located]:
        return [Located(self.first_offset + i, record) for i, record in enumerate(self.records)]

    def add(self, record: Record | Unreadable) -> int:
        """Append; answers the record's offset."""
        self.records.append(record)
        return self.first_offset + len(self.records) - 1

    def run(self, settings: EngineSettings | None = None) -> list[Result]:
        """Everything that comes out, the whole log given at once."""
        return self.fold(settings)[1]

    def fold(self, settings: EngineSettings | None = None) -> tuple[State, list[Result]]:
        settings = settings or EngineSettings()
        return step(new_state(self.identity, settings), self.located, settings)

    def _broadcast(self) -> dict[str, int]:
        self.seq += 1
        return {"ingest_epoch": self.epoch, "seq": self.seq}

    def clock(self, at: float) -> int:
        return self.add(Clock(ts_event_ns=ns(at), offset_ms=None, **self._broadcast()))

    def clocks(self, first: int, last: int) -> None:
        """One Clock a second, both ends included."""
        for at in range(first, last + 1):
            self.clock(at)

    def contract(self, name: str = CALL, at: float = 0.0, **changes: Any) -> int:
        return self.add(contract_of(name, ts_event_ns=ns(at), **{"ingest_epoch": self.epoch, **changes}))

    def quote(self, name: str = CALL, at: float = 0.0, **changes: Any) -> int:
        return self.add(quote_of(name, ts_event_ns=ns(at), **{"ingest_epoch": self.epoch, **changes}))

    def trade(self, name: str = CALL, at: float = 0.0, trade_seq: int = 1, price: float = 0.05, **changes: Any) -> int:
        return self.add(trade_of(name, ns(at), trade_seq, price, **{"ingest_epoch": self.epoch, **changes}))

    def underlying(
        self,
        at: float = 0.0,
        index_price: float | None = FORWARD,
        futures: Iterable[FutureQuote] = (),
        forwards: Iterable[ForwardQuote] = (),
        price_index: str = "btc_usd",
        is_complete: bool = False,
        dvol: float | None = None,
    ) -> int:
        return self.add(
            UnderlyingQuote(
                ts_event_ns=ns(at), price_index=price_index, base_currency="BTC", is_complete=is_complete,
                index_price=index_price, dvol=dvol, futures=tuple(futures), forwards=tuple(forwards), **self._broadcast(),
            )
        )  # fmt: skip

    def fixing(self, at: float, expiry_ns: int, n_fixed: int, running_sum: float, **changes: Any) -> int:
        fields: dict[str, Any] = {
            "ts_event_ns": ns(at), "price_index": "btc_usd", "expiry_ns": expiry_ns, "grid_index": max(1, n_fixed),
            "grid_ns": ns(at), "price": FORWARD, "is_imputed": False, "n_fixed": n_fixed, "running_sum": running_sum,
            "n_imputed": 0, "is_from_estimate": False, "venue_estimate": None, **self._broadcast(), **changes,
        }  # fmt: skip
        return self.add(SettlementFixing(**fields))

    def set(self, at: float = 0.0, snapshot_id: int = 1, n_here: int = 0, is_complete: bool = True) -> int:
        """Closes a snapshot of ``n_here`` instruments in this partition."""
        counts = tuple(n_here if p == self.identity.partition else 0 for p in range(16))
        return self.add(
            InstrumentSet(
                ts_event_ns=ns(at), snapshot_id=snapshot_id, is_complete=is_complete, count_by_partition=counts,
                price_indices=("btc_usd",), **self._broadcast(),
            )
        )  # fmt: skip

    def gap(self, at: float, from_s: float, to_s: float, channels: Sequence[str] = ()) -> int:
        return self.add(
            FeedGap(
                ts_event_ns=ns(at), channels=tuple(channels), from_ns=ns(from_s), to_ns=ns(to_s), trades_recovered=0,
                trade_seq_missing=0, **self._broadcast(),
            )
        )  # fmt: skip

    def ready(self, *names: str, at: float = 0.0) -> Log:
        """Clock, contracts, forward, quotes and InstrumentSet: an engine that prices from here on."""
        self.clock(at)
        self.underlying(at)
        for name in names or (CALL,):
            self.contract(name, at)
            self.quote(name, at)
        self.set(at, n_here=len(names or (CALL,)))
        return self


EXPIRIES = {"12APR23": 1_681_286_400, "13APR23": 1_681_372_800, "19APR23": 1_681_891_200, "28APR23": 1_682_668_800}


def expiry_of(name: str) -> int | None:
    word = name.split("-")[1]
    return EXPIRIES[word] * NS if word in EXPIRIES else None


def contract_of(name: str, **changes: Any) -> InstrumentState:
    words = name.split("-")
    is_linear = "_" in words[0]
    base = words[0].split("_")[0]
    is_option = len(words) == 4
    kind = Kind.OPTION if is_option else Kind.PERPETUAL if words[1] == "PERPETUAL" else Kind.FUTURE
    fields: dict[str, Any] = {
        "ts_event_ns": START_NS, "ingest_epoch": 1, "instrument_name": name, "is_snapshot": True, "snapshot_id": 1,
        "kind": kind, "base_currency": base, "quote_currency": "USDC" if is_linear else base,
        "settlement_currency": "USDC" if is_linear else base,
        "price_index": f"{base.lower()}_{'usdc' if is_linear else 'usd'}",
        "payoff": Payoff.LINEAR if is_linear else Payoff.INVERSE,
        "option_type": (OptionType.CALL if words[3] == "C" else OptionType.PUT) if is_option else None,
        "strike": float(words[2].replace("d", ".")) if is_option else None, "creation_ns": None,
        "expiry_ns": expiry_of(name), "contract_size": 1.0 if is_option else 10.0,
        "contract_size_unit": "coin" if is_option else "usd", "tick_size": 0.0005 if is_option and not is_linear else 5.0,
        "tick_size_steps": (), "min_trade_amount": 0.1, "status": InstrumentStatus.OPEN, "delivery_price": None,
        "settlement_rule": "deribit-30min-4s", "exercise_style": "european", "is_inferred": False, **changes,
    }  # fmt: skip
    return InstrumentState(**fields)


def quote_of(name: str, **changes: Any) -> OptionQuote:
    fields: dict[str, Any] = dict.fromkeys(OptionQuote._fields)
    fields |= {
        "ts_event_ns": START_NS, "ingest_epoch": 1, "instrument_name": name, "is_snapshot": False, "bid": 0.0325,
        "bid_size": 1.0, "ask": 0.0335, "ask_size": 1.0, "mark": 0.0330, "underlying_price": FORWARD,
        "index_price": FORWARD, "open_interest": 12.5, "state": InstrumentStatus.OPEN, **changes,
    }  # fmt: skip
    return OptionQuote(**fields)


def trade_of(name: str, ts_event_ns: int, trade_seq: int, price: float, **changes: Any) -> OptionTrade:
    fields: dict[str, Any] = {
        "ts_event_ns": ts_event_ns, "ingest_epoch": 1, "instrument_name": name, "trade_id": f"{name}/{trade_seq}",
        "trade_seq": trade_seq, "price": price, "amount_coin": 1.0, "direction": Direction.BUY,
        "tick_direction": TickDirection.PLUS, "trade_sigma": None, "index_price": FORWARD, "mark": None,
        "liquidation": Liquidation.NONE, "block_trade_id": None, "block_leg_count": None, "block_rfq_id": None,
        "combo_id": None, "combo_trade_id": None, "is_backfill": False, **changes,
    }  # fmt: skip
    return OptionTrade(**fields)


def future_of(name: str, at: float, mark: float, **changes: Any) -> FutureQuote:
    fields: dict[str, Any] = dict.fromkeys(FutureQuote._fields)
    fields |= {
        "instrument_name": name, "expiry_ns": expiry_of(name), "mark": mark, "bid": mark - 1, "ask": mark + 1,
        "ts_event_ns": ns(at), **changes,
    }  # fmt: skip
    return FutureQuote(**fields)


def rows(results: Iterable[Result], name: str | None = None) -> list[Greeks]:
    """The Greeks rows of greeks.v1, of one instrument or all."""
    found = [r.record for r in results if r.topic == "greeks" and isinstance(r.record, Greeks)]
    return [row for row in found if name is None or row.instrument_name == name]


def of_topic(results: Iterable[Result], topic: str) -> list[Result]:
    return [r for r in results if r.topic == topic]
