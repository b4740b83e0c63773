"""A partition's log with everything in it: two price indices, inverse and linear, futures, an expiry with its window, gaps,
epochs, repeats, old and wild records, trades in any order, bytes that are none.  Seeded; the market in it makes rough sense only.
"""

from __future__ import annotations

import math
import random

from schemas import Clock, ForwardQuote, ForwardSource, InstrumentStatus
from streams.engine import Unreadable
from tests.logs import EXPIRIES, NS, START_NS, Log, expiry_of, future_of, ns

WINDOW_START_S = 1_800
"""Seconds from START_NS (07:00) to 07:30 of 12 April, where the expiring series' window opens."""
OPTIONS = (
    "BTC-12APR23-30000-C", "BTC-12APR23-30500-P", "BTC-12APR23-24000-C", "BTC-13APR23-30000-C", "BTC-13APR23-31000-P",
    "BTC-28APR23-20000-C", "BTC-28APR23-45000-P", "BTC_USDC-13APR23-30000-C", "BTC_USDC-12APR23-29950-P",
)  # fmt: skip
FUTURES = ("BTC-PERPETUAL", "BTC-28APR23", "BTC-12APR23")
LATE, LATE_S = "BTC-28APR23-20000-C", 5.0
"""An option in the money whose quotes are below intrinsic for so long: no volatility is known, an older one neither."""


def _premium(name: str, forward: float, sigma: float, at: float) -> float:
    """Black-76 in the contract's own unit; good enough to be quoted."""
    _, _, strike_text, side = name.split("-")
    strike, sign = float(strike_text), 1.0 if side == "C" else -1.0
    tau = max((expiry_of(name) or 0) / NS - START_NS / NS - at, 60.0) / 31_536_000
    total = sigma * math.sqrt(tau)
    d = math.log(forward / strike) / total + total / 2
    n = [0.5 * math.erfc(-sign * x / math.sqrt(2)) for x in (d, d - total)]
    value = sign * (forward * n[0] - strike * n[1])
    return value if "_" in name else value / forward


def _standing(name: str, forward: float, sigma: float, at: float) -> tuple[float, float]:
    """Bid and ask of a book that nobody touches: at volatilities one per cent to either side, a tick apart at least."""
    tick = 0.5 if "_" in name else 0.0001
    low, high = (_premium(name, forward, factor * sigma, at) / tick for factor in (0.99, 1.01))
    bid = max(1, math.floor(low))
    return bid * tick, max(bid + 1, math.ceil(high)) * tick


class Market:
    """Draws the next records of the log at a moment."""

    def __init__(self, seed: int, start_s: float) -> None:
        self.draw = random.Random(seed)
        self.log = Log()
        self.at, self.index, self.sigma = start_s, 30_000.0, 0.6
        self.last_clock = self.began = start_s
        self.standing = {name: _standing(name, self.index, self.sigma, start_s) for name in OPTIONS}
        self.trade_seq = dict.fromkeys(OPTIONS, 100)
        self.snapshot_id = 0
        self.running: dict[str, list[float]] = {"btc_usd": [], "btc_usdc": []}

    def snapshot(self) -> None:
        self.snapshot_id += 1
        names = [*OPTIONS, *FUTURES]
        for name in names:
            if self.draw.random() < 0.95:
                self.log.contract(name, self.at, snapshot_id=self.snapshot_id)
            if name in OPTIONS and self.draw.random() < 0.9:
                self.quote(name, is_snapshot=True, snapshot_id=self.snapshot_id)
        self.log.set(self.at, snapshot_id=self.snapshot_id, n_here=len(names) - 2)

    def quote(self, name: str, **changes: object) -> None:
        draw = self.draw
        forward = self.index * 1.001
        value = _premium(name, forward, self.sigma, self.at)
        tick = 0.5 if "_" in name else 0.0001
        bid = max(0.0, math.floor(value / tick - draw.randint(0, 2)) * tick)
        fields: dict[str, object] = {
            "bid": bid or None, "ask": math.ceil(value / tick + draw.randint(0, 3)) * tick, "mark": round(value, 4),
            "mark_sigma": round(self.sigma, 4), "last": draw.choice((None, round(value, 4))), "underlying_price": forward,
            "index_price": self.index, "venue_delta": 0.4, "venue_gamma": 1e-5, "venue_vega": 14.0, "venue_theta": -40.0,
            **changes,
        }  # fmt: skip
        kind = draw.random()
        is_too_cheap = name == LATE and self.at < self.began + LATE_S
        if kind < 0.02 or is_too_cheap:
            # Below intrinsic, or a volatility of thousands of per cent, which takes as long as a hundred others.
            fields |= {"bid": 0.01, "ask": 0.01, "mark": 0.01, "last": None}
        elif kind < 0.4:  # only the mark moves
            fields["bid"], fields["ask"] = self.standing[name]
        elif kind < 0.43:
            fields["bid"], fields["ask"] = fields["ask"], fields["bid"]
        elif kind < 0.46:
            fields |= {"bid": None, "ask": None, "mark": None}
        elif kind < 0.48:
            fields |= {"bid": -1.0, "ask": 1e308, "underlying_price": draw.choice((None, 0.0, 1e308, -5.0))}
        at = self.at + draw.choice((0.0, 0.0, 0.0, -0.3, -40.0, 1_000_000.0))
        self.log.quote(
            name, at, **{"state": draw.choice((InstrumentStatus.OPEN,) * 30 + (InstrumentStatus.CLOSED,)), **fields}
        )

    def burst(self, name: str) -> None:
        """Marks that move several times within a second, by more than the threshold."""
        bid, ask = self.standing[name]
        for _ in range(self.draw.randint(2, 4)):
            self.at += 0.05
            mark = bid + (ask - bid) * self.draw.random()
            self.log.quote(name, self.at, bid=bid, ask=ask, mark=mark, underlying_price=self.index)

    def trade(self, name: str) -> None:
        draw = self.draw
        if draw.random() < 0.8:
            self.trade_seq[name] += draw.choice((1, 1, 1, 3))
        seq = self.trade_seq[name] - draw.choice((0, 0, 0, 1, 2))
        price = draw.choice((round(_premium(name, self.index, self.sigma, self.at), 4), 0.05, 0.0, 1e306))
        self.log.trade(name, self.at - draw.choice((0.0, 0.0, 90.0)), seq, price)

    def underlying(self) -> None:
        self.index *= math.exp(self.draw.gauss(0.0, 0.0002))
        for price_index in ("btc_usd", "btc_usdc"):
            futures = [future_of(name, self.at, self.index * 1.001) for name in FUTURES if self.draw.random() < 0.5]
            forwards = [
                ForwardQuote(EXPIRIES[word] * NS, self.index * 1.001, source, ns(self.at - self.draw.choice((0, 9))))
                for word in ("12APR23", "13APR23")
                for source in (ForwardSource.SYNTHETIC, ForwardSource.PARITY)
                if self.draw.random() < 0.5
            ]
            self.log.underlying(
                self.at, self.draw.choice((self.index, self.index, None, -1.0)), futures, forwards, price_index,
                is_complete=self.draw.random() < 0.2, dvol=0.55,
            )  # fmt: skip

    def clock(self) -> None:
        expiry_ns = EXPIRIES["12APR23"] * NS
        second = math.floor(self.at)
        for price_index, seen in self.running.items():
            while WINDOW_START_S + 4 * (len(seen) + 1) <= min(second, WINDOW_START_S + 1_800):
                seen.append(self.index)
                at = WINDOW_START_S + 4 * len(seen)
                # The numbers are cumulative: of those from before the log's start its last one says all.
                if at > self.began - 4 and self.draw.random() < 0.95:
                    self.log.fixing(at, expiry_ns, len(seen), sum(seen), price_index=price_index)
        self.log.clock(second)

    def oddity(self) -> None:
        """What should not come, or seldom does."""
        draw, log = self.draw, self.log
        kind = draw.randint(0, 11)
        if kind == 0:
            log.add(Unreadable("not avro", "unexpected end", b"\x00\x01"))
        elif kind == 1:
            log.gap(
                self.at, self.at - 20, self.at - 2, draw.choice(((), ("trades.option.BTC.100ms",), ("ticker.x.100ms",)))
            )
        elif kind == 2:
            self.snapshot()
        elif kind == 3:
            log.epoch, log.seq = log.epoch + 1, 0
        elif kind == 4:
            log.add(Clock(ns(self.at - 30), log.epoch, max(0, log.seq - 3), None))  # repeated
        elif kind == 5:
            log.add(Clock(ns(self.at), log.epoch - 1, 10**9, None))  # superseded
        elif kind == 6:
            log.contract(draw.choice(OPTIONS), self.at, status=draw.choice(tuple(InstrumentStatus)), is_snapshot=False)
        elif kind == 7:
            log.quote("BTC-13APR23-99000-C", self.at)  # never listed
        elif kind == 8:
            log.trade("ETH-13APR23-2000-C", self.at, draw.randint(1, 50))
        elif kind == 9:
            log.quote(draw.choice(OPTIONS), self.at, ingest_epoch=log.epoch - 1)
        elif kind == 10:
            log.contract("BTC-13APR23-1-C", self.at, strike=-1.0)
        else:
            self.at += draw.choice((3.0, 70.0, 150.0))  # an outage


def everything(seed: int, n_records: int, start_s: float = 3_480.0) -> Log:
    """About ``n_records`` records that begin two minutes before an expiry (start_s: seconds after 07:00)."""
    market = Market(seed, start_s)
    draw = market.draw
    if draw.random() < 0.5:
        market.trade(OPTIONS[0])
        market.snapshot()  # before any Clock
    market.clock()
    market.underlying()
    market.snapshot()
    while len(market.log.records) < n_records:
        market.at += draw.choice((0.02, 0.1, 0.3))
        if math.floor(market.at) > market.last_clock:
            market.last_clock = math.floor(market.at)
            market.clock()
        kind = draw.random()
        if kind < 0.55:
            market.quote(draw.choice(OPTIONS))
        elif kind < 0.70:
            market.burst(draw.choice(OPTIONS))
        elif kind < 0.80:
            market.trade(draw.choice(OPTIONS))
        elif kind < 0.97:
            market.underlying()
        else:
            market.oddity()
    return market.log
