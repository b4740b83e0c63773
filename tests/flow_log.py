"""Lanes of greeks.v1 and trades.v1 as workers would write them for a small chain: seeded, an expiry in it, repeats, clocks that jump.

Not a market: prices are the closed form's at one vol, trades are drawn.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pricers import units, value_options
from schemas import Direction, Greeks, Kind, OptionType, Payoff, RowStatus, TradeGreeks, Watermark
from streams.flow.fold import Arrival, Context
from streams.flow.settings import FlowSettings
from streams.flow.side import SideSettings
from tests.results_world import blank, greeks

NS = 1_000_000_000
EXPIRY_NS = 1_774_598_400 * NS
"""27 March 2026, 08:00 UTC."""
N_PARTITIONS = 3
PARTITIONS = tuple(range(N_PARTITIONS))
CONTEXT = Context(
    FlowSettings(warm_up_s=5.0, profile_step_ratio=0.02, ladder_spot_pct=(1.0,), ladder_vol_points=(1.0,), ladder_hours=(0.0, 1.0)),
    SideSettings(n_draws=20), "0123456789abcdef", "test", PARTITIONS,
)  # fmt: skip
DAYS = (0, 7, 28)
STRIKES = {"BTC": (90_000.0, 100_000.0, 110_000.0), "ETH": (4_000.0,)}
INDEX = {"BTC": 100_000.0, "ETH": 4_000.0}
Lanes = dict[tuple[str, int], list[Arrival]]


class Option(NamedTuple):
    name: str
    currency: str
    option_type: OptionType
    strike: float
    expiry_ns: int
    partition: int


def chain(n_partitions: int = N_PARTITIONS) -> list[Option]:
    """Calls and puts, spread over the partitions."""
    found: list[Option] = []
    for currency, strikes in STRIKES.items():
        for days in DAYS:
            expiry_ns = EXPIRY_NS + days * 86_400 * NS
            when = datetime.fromtimestamp(expiry_ns // NS, UTC).strftime("%-d%b%y").upper()
            for strike in strikes:
                for side, kind in (("C", OptionType.CALL), ("P", OptionType.PUT)):
                    name = f"{currency}-{when}-{strike:.0f}-{side}"
                    found.append(Option(name, currency, kind, strike, expiry_ns, len(found) % n_partitions))
    return found


def row_of(option: Option, now_ns: int, index: float, interest: float, place: tuple[int, int, int]) -> Greeks:
    """The row of an option at a moment."""
    tau_s = (option.expiry_ns - now_ns) / NS
    n_fixed = min(max(0, 450 - int(tau_s // 4) - (tau_s % 4 > 0)), 449)
    found = value_options(
        forward=index, strike=option.strike, sigma=0.5, option_sign=1 if option.option_type == OptionType.CALL else -1,
        next_fixing_s=tau_s - (449 - n_fixed) * 4.0, interval_s=4.0, n_fixings=450, n_fixed=n_fixed,
        running_sum=n_fixed * index, payoff="inverse", engine="closed_form",
    )  # fmt: skip
    values = {
        "price_usd": float(found.price_usd), "delta": float(found.delta), "gamma_per_usd": float(found.gamma),
        "vega_usd_per_point": float(units.vega_usd_per_point(found.vega)),
        "theta_usd_per_day": float(units.theta_usd_per_day(found.theta_per_year)),
        "vanna_per_point": float(units.vanna_per_point(found.vanna)),
        "charm_per_day": float(units.charm_per_day(found.charm_per_year)),
        "volga_usd_per_point2": float(units.volga_usd_per_point2(found.volga)),
    }  # fmt: skip
    partition, offset, seq = place
    return greeks(
        option.name, now_ns, offset=offset, seq=seq, base_currency=option.currency, sigma=0.5, venue_sigma=0.5, forward=index,
        index_price=index, price_index=f"{option.currency.lower()}_usd", source_partition=partition, open_interest=interest,
        quote_age_ms=0.0, dvol=0.5, contract_size_unit="coin", payoff=Payoff.INVERSE, kind=Kind.OPTION, n_fixed=n_fixed,
        running_sum=n_fixed * index, **values, **{f"european_{name}": value for name, value in values.items()},
    )  # fmt: skip


def trade_of(
    option: Option, now_ns: int, trade_seq: int, buys: bool, amount: float, place: tuple[int, int, int]
) -> TradeGreeks:
    partition, offset, seq = place
    return TradeGreeks(**blank(TradeGreeks) | {
        "ts_event_ns": now_ns, "instrument_name": option.name, "trade_id": f"{option.name}/{trade_seq}",
        "trade_seq": trade_seq, "price": 0.05, "amount_coin": amount, "direction": Direction.BUY if buys else Direction.SELL,
        "source_partition": partition, "source_offset": offset, "result_seq": seq, "status": RowStatus.OK,
    })  # fmt: skip


class Writer:
    """What one worker writes of its partition: results of both topics, numbered together."""

    def __init__(self, partition: int) -> None:
        self.partition, self.source_offset, self.seq = partition, 0, 0
        self.arrivals: dict[str, list[Arrival]] = {"greeks": [], "trades": []}

    def place(self, *, is_new: bool = True) -> tuple[int, int, int]:
        if is_new:
            self.source_offset, self.seq = self.source_offset + 1, 0
        else:
            self.seq += 1
        return self.partition, self.source_offset, self.seq

    def write(self, topic: str, record: Any, epoch: int = 1) -> None:
        lane = self.arrivals[topic]
        lane.append(Arrival(topic, self.partition, len(lane), epoch, record))

    def clock(self, log_time_ns: int, n_listed: int) -> None:
        self.place()
        for topic in ("greeks", "trades"):
            values = blank(Watermark) | {
                "partition": self.partition, "log_time_ns": log_time_ns, "source_offset": self.source_offset,
                "is_ready": True, "n_listed": n_listed, "result_seq": self.seq, "log_id": "log",
            }  # fmt: skip
            self.write(topic, Watermark(**values))
            self.seq += 1


def lanes(
    seed: int, n_seconds: int = 24, *, before_expiry_s: float = 12.0, trades_a_second: int = 3, n_partitions: int = N_PARTITIONS
) -> Lanes:  # fmt: skip
    """What the workers wrote over some seconds around the first expiry.

    A clock is left out now and then, by all; one partition's log time runs ahead of the others'; a worker writes some
    seconds again.
    """
    draw = random.Random(seed)
    options, writers = chain(n_partitions), [Writer(partition) for partition in range(n_partitions)]
    interest = {option.name: 200.0 + 10.0 * draw.randint(0, 30) for option in options}
    index, n_trades = dict(INDEX), dict.fromkeys(interest, 40)
    begin_ns = EXPIRY_NS - int(before_expiry_s * NS)
    for second in range(n_seconds):
        now_ns = begin_ns + second * NS
        for currency in index:
            index[currency] *= 1.0 + draw.gauss(0.0, 2e-4)
        alive = [option for option in options if option.expiry_ns > now_ns]
        for option in options:
            if option.expiry_ns == now_ns:
                writer = writers[option.partition]
                last = row_of(option, now_ns - NS, index[option.currency], interest[option.name], writer.place())
                writer.write("greeks", last._replace(status=RowStatus.EXPIRED, ts_event_ns=now_ns))
        for option in draw.sample(alive, trades_a_second) if second > 3 else ():
            writer, amount = writers[option.partition], float(draw.randint(1, 9))
            n_trades[option.name] += 1
            interest[option.name] += draw.choice((-1, 0, 1)) * amount
            at_ns = now_ns + draw.randint(0, NS - 1)
            buys = draw.random() < 0.6
            writer.write("trades", trade_of(option, at_ns, n_trades[option.name], buys, amount, writer.place()))
        for option in alive if second == 0 else draw.sample(alive, 8):
            writer = writers[option.partition]
            row = row_of(option, now_ns + NS // 2, index[option.currency], interest[option.name], writer.place())
            writer.write("greeks", row)
        if second % 7 != 5:
            for writer in writers:
                writer.clock(now_ns + NS + (NS // 4 if writer.partition == 1 else 0), len(options) // n_partitions)
    return {(topic, w.partition): again(w.arrivals[topic], draw) for w in writers for topic in ("greeks", "trades")}


def again(arrivals: Sequence[Arrival], draw: random.Random) -> list[Arrival]:
    """The lane with a part of it written again later, as after a crash: the same records, other offsets, the next epoch."""
    end = draw.randint(len(arrivals) // 2, len(arrivals))
    first = draw.randint(max(0, end - 12), end)
    whole = [*arrivals[:end], *(item._replace(epoch=2) for item in arrivals[first:end]), *arrivals[end:]]
    return [item._replace(offset=place) for place, item in enumerate(whole)]


def interleaved(found: Lanes, draw: random.Random) -> list[Arrival]:
    """All lanes in one order, each in its own."""
    left = {key: list(reversed(lane)) for key, lane in found.items()}
    out = []
    while left:
        key = draw.choice(sorted(left))
        for _ in range(draw.randint(1, 30)):
            if left[key]:
                out.append(left[key].pop())
        if not left[key]:
            del left[key]
    return out
