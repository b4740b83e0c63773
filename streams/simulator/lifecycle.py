"""Listing and expiry: series are created, started, closed at 08:00 UTC with their delivery price, and settled."""

from __future__ import annotations

import numpy as np

from . import quotes
from .listing import (
    DAY_S,
    NS,
    UNDERLYINGS,
    Future,
    Option,
    Underlying,
    date_text,
    expiries,
    option_name,
    strikes,
)
from .state import (
    BOOK_FAR_ASK,
    BOOK_FULL,
    BOOK_NO_ASK,
    BOOK_NO_BID,
    N_FIXINGS,
    OPTION_COLUMNS,
    FutureRow,
    MarketState,
    Position,
    Series,
)

SETTLED_AFTER_NS, CREATED_AFTER_NS, STARTED_AFTER_NS = 1 * NS, 2 * NS, 4 * NS
LISTED_BEFORE_DAYS = {"day": 3, "week": 28, "month": 120}
DEEP_BOOK_SHARES = (0.06, 0.06, 0.14, 0.74)  # of deep in-the-money options: no ask, an absurd ask, no bid, both
LINEAR_SERIES = (0, 3, 6)  # which of the expiries have USDC options
Change = tuple[str, str, str, str]  # instrument, kind, currency, state


def list_all(state: MarketState) -> None:
    """Everything that is listed at the state's time, open."""
    periods = expiries(state.now_ns)
    for u in state.underlyings:
        chosen = list(periods)
        if not u.is_inverse:
            chosen = [chosen[i] for i in LINEAR_SERIES if i < len(chosen)]
        end = len(state.options) + state.n_options_wanted[u.prefix]
        for i, expiry_ns in enumerate(chosen):  # what the near ones have no room for, the later ones take
            n_strikes = max(2, round((end - len(state.options)) / (2 * (len(chosen) - i))))
            _add_series(state, u, expiry_ns, periods[expiry_ns], n_strikes)
        _add_future(state, u, None, None)


def _creation_ns(state: MarketState, expiry_ns: int, period: str) -> int:
    return min(expiry_ns - LISTED_BEFORE_DAYS[period] * DAY_S * NS, state.now_ns)


def _index_name(u: Underlying, expiry_ns: int, period: str) -> str:
    """As the venue names what an option's forward comes from: a listed future, a synthetic one, or the index."""
    if period == "day":
        return "index_price" if u.prefix == "ETH" else f"SYN.{u.prefix}-{date_text(expiry_ns)}"
    return f"{u.prefix}-{date_text(expiry_ns)}" if u.is_inverse else f"SYN.{u.prefix}-{date_text(expiry_ns)}"


def _add_series(
    state: MarketState, u: Underlying, expiry_ns: int, period: str, n_strikes: int, *, is_open: bool = True
) -> int:
    """Add a series with its options and, if it has one, its future; returns its number."""
    number = len(state.series)
    series = Series(u, expiry_ns, period, _index_name(u, expiry_ns, period), "open" if is_open else "created")
    state.series.append(series)
    tau = (expiry_ns - state.now_ns) / NS / 31_536_000
    forward = state.index[u.price_index] * float(np.exp(state.factors[u.base].basis * tau))
    series.forward = series.estimate = forward
    tick = u.tick if u.is_inverse else u.tick / forward
    ladder = strikes(forward, state.factors[u.base].smile.level, tau, n_strikes, u.strike_step, tick)
    creation_ns = _creation_ns(state, expiry_ns, period)
    rows = np.zeros(2 * len(ladder), OPTION_COLUMNS)
    for i, (strike, sign) in enumerate((k, s) for k in ladder for s in (1, -1)):
        state.next_id += 1
        option = Option(
            option_name(u, expiry_ns, strike, sign), u.prefix, expiry_ns, strike, sign, creation_ns, state.next_id
        )
        state.row_by_name[option.name] = len(state.options)
        state.options.append(option)
        rows[i]["series"], rows[i]["strike"], rows[i]["sign"] = number, strike, sign
    rows["is_open"] = is_open
    rows["last"] = np.nan
    rows["width"] = np.exp(0.3 * state.rng.standard_normal(len(rows)))
    deep = rows["sign"] * np.log(rows["strike"] / forward) < -0.5 * np.log(ladder[-1] / forward)
    books = [BOOK_NO_ASK, BOOK_FAR_ASK if u.is_inverse else BOOK_NO_ASK, BOOK_NO_BID, BOOK_FULL]
    chosen = state.rng.choice(books, size=len(rows), p=DEEP_BOOK_SHARES)
    rows["book"] = np.where(deep, chosen, BOOK_FULL)
    state.table = np.concatenate([state.table, rows])
    if series.index_name == f"{u.prefix}-{date_text(expiry_ns)}":
        _add_future(state, u, number, expiry_ns, is_open=is_open)
    return number


def _add_future(
    state: MarketState, u: Underlying, series: int | None, expiry_ns: int | None, *, is_open: bool = True
) -> None:
    state.next_id += 1
    name = f"{u.prefix}-PERPETUAL" if expiry_ns is None else f"{u.prefix}-{date_text(expiry_ns)}"
    age_days = 2000 if expiry_ns is None else 90
    contract = Future(name, u.prefix, expiry_ns, state.now_ns - age_days * DAY_S * NS, state.next_id)
    half = u.future_contract_usd * round((6e8 if series is None else 6e7) / u.future_contract_usd / 2)
    held = half if u.is_inverse else round(half / state.index[u.price_index], 3)
    state.positions[name] = Position(held * 1.2, held * 0.8, -held * 0.4)
    row = FutureRow(contract, series, open_interest=state.positions[name].open_interest)
    row.state = "open" if is_open else "created"
    state.futures[name] = row


def seed_positions(state: MarketState, rows: np.ndarray) -> None:
    """Open interest that is there before the first trade, and the dealer's part of it: long calls, short puts."""
    table, rng = state.table, state.rng
    for row in rows.tolist():
        option = state.options[row]
        u = UNDERLYINGS[option.underlying]
        delta = abs(float(table["delta"][row]))
        scale = u.typical_amount * 40.0 * min(delta, 1.05 - delta) * float(np.exp(rng.standard_normal()))
        held = round(round(scale / u.min_amount) * u.min_amount, 6)
        tilt = (0.25 if option.sign > 0 else -0.25) + 0.35 * float(rng.standard_normal())
        dealer = round(round(float(np.clip(tilt, -0.9, 0.9)) * held / u.min_amount) * u.min_amount, 6)
        position = Position(round(held - max(dealer, 0.0), 6), round(held - max(-dealer, 0.0), 6), dealer)
        state.positions[option.name] = position
        table["open_interest"][row] = position.open_interest
        if held and rng.random() < 0.7:
            table["last"][row] = max(table["bid"][row], u.tick)


def advance(state: MarketState) -> tuple[list[Change], list[int], list[str]]:
    """Expiries and listings due at the state's time: (state changes, rows and futures whose last ticker is due)."""
    changes: list[Change] = []
    rows: list[int] = []
    futures: list[str] = []
    for number, series in enumerate(state.series):
        if series.state == "open" and state.now_ns >= series.expiry_ns:
            _close(state, number, series)
            rows += np.flatnonzero(state.table["series"] == number).tolist()
            futures += [name for name, row in state.futures.items() if row.series == number]
            changes += _names(state, number, "closed")
            state.due.append((state.now_ns + SETTLED_AFTER_NS, "settled", number))
            state.due.append((state.now_ns + CREATED_AFTER_NS, "list", number))
    for item in [item for item in state.due if item[0] <= state.now_ns]:
        state.due.remove(item)
        changes += _act(state, item[1], item[2])
    return changes, rows, futures


def _act(state: MarketState, what: str, number: int) -> list[Change]:
    if what == "settled":
        return _names(state, number, "settled")
    if what == "list":
        return _relist(state, state.series[number].underlying)
    _start(state, number)
    return _names(state, number, "started")


def _names(state: MarketState, number: int, change: str) -> list[Change]:
    u = state.series[number].underlying
    options = [
        (state.options[row].name, "option", u.settlement, change)
        for row in np.flatnonzero(state.table["series"] == number).tolist()
    ]
    futures = [(name, "future", u.settlement, change) for name, row in state.futures.items() if row.series == number]
    return options + futures


def _close(state: MarketState, number: int, series: Series) -> None:
    """The delivery price is the mean of the 450 fixings; positions are gone."""
    series.state = "closed"
    series.delivery_price = round(series.fixing_sum / N_FIXINGS, 2)
    series.estimate = series.forward = series.delivery_price
    table = state.table
    mask = table["series"] == number
    rows = np.flatnonzero(mask)
    table["is_open"][rows] = False
    unit = series.delivery_price if series.underlying.is_inverse else 1.0
    payoff = np.maximum(table["sign"][rows] * (series.delivery_price - table["strike"][rows]), 0.0)
    table["mark"][rows] = payoff / unit
    table["delta"][rows] = np.where(payoff > 0, table["sign"][rows], 0.0)
    for column in (
        "bid",
        "ask",
        "bid_size",
        "ask_size",
        "bid_iv",
        "ask_iv",
        "mark_iv",
        "gamma",
        "vega",
        "theta",
        "rho",
    ):
        table[column][rows] = 0.0
    table["open_interest"][rows] = 0.0
    table["forward"][rows] = table["estimate"][rows] = series.delivery_price
    table["index"][rows] = state.index[series.underlying.price_index]
    table["ts_ms"][rows] = state.now_ns // 1_000_000
    for row in rows.tolist():
        state.positions.pop(state.options[row].name, None)
    for name in [name for name, combo in state.combos.items() if combo["series"] == number]:
        del state.combos[name]
    for name, future in state.futures.items():
        if future.series == number:
            future.state, future.delivery_price = "closed", series.delivery_price
            future.mark = future.estimate = series.delivery_price
            future.bid = future.ask = future.bid_size = future.ask_size = future.open_interest = 0.0
            future.ts_ms = state.now_ns // 1_000_000
            state.positions.pop(name, None)


def _relist(state: MarketState, u: Underlying) -> list[Change]:
    """List what the calendar now asks for and is not there yet; USDC options follow one daily with the next."""
    changes: list[Change] = []
    periods = expiries(state.now_ns)
    have = {s.expiry_ns for s in state.series if s.underlying is u and s.state != "closed"}
    wanted = [e for e in periods if e not in have]
    n_open = max(1, len(have))
    if not u.is_inverse:
        wanted = [e for e in wanted if periods[e] == "day"] or [e for e in list(periods)[:3] if e not in have]
        wanted = wanted[:1]
        n_open = len(LINEAR_SERIES)
    for expiry_ns in wanted:
        a_share = state.n_options_wanted[u.prefix] / (n_open + (1 if u.is_inverse else 0))
        room = state.n_options_wanted[u.prefix] - _n_listed(state, u)  # later series have the near ones' surplus
        n_strikes = max(2, round(min(a_share, room) / 2))
        number = _add_series(state, u, expiry_ns, periods[expiry_ns], n_strikes, is_open=False)
        state.due.append((state.now_ns + STARTED_AFTER_NS - CREATED_AFTER_NS, "start", number))
        changes += _names(state, number, "created")
    return changes


def _n_listed(state: MarketState, u: Underlying) -> int:
    """Options of series that are not closed."""
    numbers = [i for i, s in enumerate(state.series) if s.underlying is u and s.state != "closed"]
    return int(np.isin(state.table["series"], numbers).sum())


def _start(state: MarketState, number: int) -> None:
    state.series[number].state = "open"
    rows = np.flatnonzero(state.table["series"] == number)
    state.table["is_open"][rows] = True
    quotes.requote(state, rows, is_first=True)
    for row in rows.tolist():
        state.positions[state.options[row].name] = Position()
    for future in state.futures.values():
        if future.series == number:
            future.state = "open"
            state.positions[future.contract.name] = Position()
            future.open_interest = 0.0
            quotes.requote_future(state, future)
            future.last = future.mark
