"""Per price index: index, vol index, futures, forwards, conflated to one UnderlyingQuote per 100 ms (rule 9 and "Records")."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from schemas import (
    ForwardQuote,
    ForwardSource,
    FutureQuote,
    InstrumentState,
    OptionQuote,
    OptionType,
    Payoff,
    UnderlyingQuote,
)
from streams.deribit.events import DeliveryEstimate, FutureTicker
from streams.ingest.core.messages import NS_PER_S
from streams.ingest.core.parity import Pair, parity_forward

SYNTHETIC = "SYN."
IN_WINDOW = "SYN.EXPIRY"
"""Inside the settlement window the venue stamps its estimated delivery price under this name: no forward of anything."""
N_NEAR_STRIKES = 4
FRESH_NS = 5 * NS_PER_S
TICKER_INDEX_AFTER_NS = 10 * NS_PER_S
"""The index stamped on tickers stands in when the index channel has been silent this long."""
INDEX_AGE_NS = 2 * NS_PER_S
"""The venue prints an index every second: an older one must not get the time of the record that repeats it."""
MAX_PRINTS = 4_096


class Series:
    """The options of one expiry, as far as parity needs them."""

    __slots__ = ("_strikes", "expiry_ns", "is_changed", "payoff", "sides")

    def __init__(self, expiry_ns: int, payoff: Payoff) -> None:
        self.expiry_ns, self.payoff = expiry_ns, payoff
        self.sides: dict[float, list[OptionQuote | None]] = {}
        self.is_changed = False
        self._strikes: list[float] | None = None

    def take(self, state: InstrumentState, quote: OptionQuote) -> None:
        """Keep an option's newest quote."""
        assert state.strike is not None
        sides = self.sides.get(state.strike)
        if sides is None:
            sides = self.sides[state.strike] = [None, None]
            self._strikes = None
        sides[0 if state.option_type == OptionType.CALL else 1] = quote
        self.is_changed = True

    def forward_near(self, anchor: float) -> tuple[float, int] | None:
        """Parity forward from the strikes around ``anchor``, USD per coin, and its time."""
        if self._strikes is None:
            self._strikes = sorted(self.sides)
        self.is_changed = False
        place = bisect_left(self._strikes, anchor)
        near = self._strikes[max(0, place - N_NEAR_STRIKES) : place + N_NEAR_STRIKES]
        pairs = []
        for strike in near:
            call, put = self.sides[strike]
            if call is not None and put is not None:
                pairs.append(Pair(strike, call, put))
        return parity_forward(pairs, self.payoff)


class PriceIndex:
    """What is known of one price index, and what of it has changed since the last record."""

    def __init__(self, name: str, base_currency: str) -> None:
        self.name, self.base_currency = name, base_currency
        self.index_price: float | None = None
        self.index_ns = 0
        self.dvol: float | None = None
        self.futures: dict[str, FutureQuote] = {}
        self.forwards: dict[tuple[int, ForwardSource], ForwardQuote] = {}
        self.series: dict[int, Series] = {}
        self.estimate: DeliveryEstimate | None = None
        self.prints: deque[tuple[int, float]] = deque(maxlen=MAX_PRINTS)
        self._changed: set[object] = set()
        self._newest_ns = 0
        self._written_slot = -1
        self._future_ns_by_expiry: dict[int, int] = {}

    # ---- what comes in; every ts_ns is already bounded

    def take_index(self, ts_ns: int, price: float) -> None:
        """An index print; an older one than the last still counts for the grid point that it precedes."""
        self.prints.append((ts_ns, price))
        if ts_ns >= self.index_ns:
            if price != self.index_price:
                self._mark("index", ts_ns)
            self.index_ns, self.index_price = ts_ns, price

    def take_dvol(self, ts_ns: int, sigma: float) -> None:
        if sigma != self.dvol:
            self.dvol = sigma
            self._mark("dvol", ts_ns)

    def take_future(self, ticker: FutureTicker, expiry_ns: int | None, ts_ns: int) -> None:
        """A future's or perpetual's ticker; older than the last of its name: nothing."""
        last = self.futures.get(ticker.instrument_name)
        if last is not None and ts_ns < last.ts_event_ns:
            return
        self.futures[ticker.instrument_name] = FutureQuote(
            ticker.instrument_name, expiry_ns, ticker.bid, ticker.ask, ticker.mark, ticker.last, ticker.open_interest,
            ticker.volume_usd_24h, ticker.funding_8h, ticker.current_funding, ts_ns,
        )  # fmt: skip
        if expiry_ns is not None:
            self._future_ns_by_expiry[expiry_ns] = ts_ns
        self._mark(ticker.instrument_name, ts_ns)
        if ticker.index_price is not None and ts_ns > self.index_ns + TICKER_INDEX_AFTER_NS:
            self.take_index(ts_ns, ticker.index_price)

    def take_quote(self, state: InstrumentState, quote: OptionQuote, ts_ns: int) -> None:
        """An option's quote: its leg of parity, and the forward the venue has stamped on it."""
        expiry_ns = state.expiry_ns
        if expiry_ns is None or state.strike is None:
            return
        series = self.series.get(expiry_ns)
        if series is None:
            series = self.series[expiry_ns] = Series(expiry_ns, state.payoff)
        series.take(state, quote if quote.ts_event_ns == ts_ns else quote._replace(ts_event_ns=ts_ns))
        if quote.index_price is not None and ts_ns > self.index_ns + TICKER_INDEX_AFTER_NS:
            self.take_index(ts_ns, quote.index_price)
        name = quote.underlying_index
        if name is None or quote.underlying_price is None or name == IN_WINDOW:
            return
        if name.startswith(SYNTHETIC):
            self._take_forward(expiry_ns, quote.underlying_price, ForwardSource.SYNTHETIC, ts_ns)
        elif name != "index_price" and ts_ns > self._future_ns_by_expiry.get(expiry_ns, 0) + FRESH_NS:
            # Named after the listed future, whose own ticker does not come (a recording of options only).
            self._take_forward(expiry_ns, quote.underlying_price, ForwardSource.FUTURE, ts_ns)

    def _take_forward(self, expiry_ns: int, forward: float, source: ForwardSource, ts_ns: int) -> None:
        key = (expiry_ns, source)
        last = self.forwards.get(key)
        if last is not None and ts_ns < last.ts_event_ns:
            return
        self.forwards[key] = ForwardQuote(expiry_ns, forward, source, ts_ns)
        if last is None or last.forward != forward:
            self._mark(key, ts_ns)

    def find_parity(self, clock_ns: int, window_ns: int) -> None:
        """Once a second: the parity forward of every expiry whose quotes have changed, outside its settlement window."""
        for series in self.series.values():
            if not series.is_changed or series.expiry_ns - window_ns < clock_ns:
                continue
            anchor = self._anchor(series.expiry_ns)
            found = series.forward_near(anchor) if anchor is not None else None
            if found is not None:
                self._take_forward(series.expiry_ns, found[0], ForwardSource.PARITY, found[1])

    def _anchor(self, expiry_ns: int) -> float | None:
        """Roughly where the forward is: which strikes are near the money."""
        for source in (ForwardSource.PARITY, ForwardSource.SYNTHETIC, ForwardSource.FUTURE):
            known = self.forwards.get((expiry_ns, source))
            if known is not None:
                return known.forward
        return self.index_price

    def drop_expired(self, clock_ns: int) -> None:
        for expiry_ns in [expiry_ns for expiry_ns in self.series if expiry_ns <= clock_ns]:
            del self.series[expiry_ns]
        for key in [key for key in self.forwards if key[0] <= clock_ns]:
            del self.forwards[key]
        gone = [name for name, future in self.futures.items() if future.expiry_ns and future.expiry_ns <= clock_ns]
        for name in gone:
            del self.futures[name]

    # ---- what goes out

    def _mark(self, key: object, ts_ns: int) -> None:
        if not self._changed:
            self._newest_ns = ts_ns
        self._changed.add(key)
        self._newest_ns = max(self._newest_ns, ts_ns)

    def changed(self, slot: int) -> UnderlyingQuote | None:
        """What has changed, once per slot of exchange time; None when nothing has, or when this slot has its record."""
        if not self._changed or slot <= self._written_slot:
            return None
        self._written_slot = slot
        changed, self._changed = self._changed, set()
        futures = tuple(future for name, future in self.futures.items() if name in changed)
        forwards = tuple(forward for key, forward in self.forwards.items() if key in changed)
        return UnderlyingQuote(
            self._newest_ns, 0, 0, self.name, self.base_currency, False,
            self.index_price if "index" in changed else None, self.dvol if "dvol" in changed else None, futures, forwards,
        )  # fmt: skip

    def complete(self, slot: int) -> UnderlyingQuote | None:
        """All that is known, stamped with the newest of its times; None: nothing is known.

        Futures and forwards have times of their own, the index has the record's: a silent one is left out, and whoever knows it
        keeps it at its own time (an old market must not look new).
        """
        times = [future.ts_event_ns for future in self.futures.values()]
        times += [forward.ts_event_ns for forward in self.forwards.values()]
        if self.index_price is not None:
            times.append(self.index_ns)
        if not times:
            return None
        self._written_slot = max(slot, self._written_slot)
        self._changed.clear()
        newest_ns = max(times)
        return UnderlyingQuote(
            newest_ns, 0, 0, self.name, self.base_currency, True,
            self.index_price if newest_ns - self.index_ns <= INDEX_AGE_NS else None, self.dvol,
            tuple(self.futures.values()), tuple(self.forwards.values()),
        )  # fmt: skip

    # ---- for the fixings

    def index_at(self, grid_ns: int, interval_ns: int) -> float | None:
        """The newest print in (grid_ns - interval, grid_ns], USD per coin; None when none arrived in time."""
        best: tuple[int, float] | None = None
        for ts_ns, price in self.prints:
            if grid_ns - interval_ns < ts_ns <= grid_ns and (best is None or ts_ns >= best[0]):
                best = (ts_ns, price)
        return None if best is None else best[1]

    def forget_prints(self, before_ns: int) -> None:
        """Drop prints that no grid point needs any more, but the newest: it is the last known index."""
        while len(self.prints) > 1 and self.prints[0][0] <= before_ns:
            self.prints.popleft()

    def index_known_at(self, grid_ns: int) -> float | None:
        """The last index known at a time; when there is none before it, the first after it.  USD per coin."""
        before = [item for item in self.prints if item[0] <= grid_ns]
        if before:
            return max(reversed(before), key=lambda item: item[0])[1]  # of one moment: the last to arrive
        return self.prints[0][1] if self.prints else self.index_price
