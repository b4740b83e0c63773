"""Trades between customers and a dealer: screen, block, RFQ, combo, liquidation; with the true book of everybody.

The wire says only what the venue says: price, size, the taker's side.  Who was the dealer is the truth that stays here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import black
from .listing import UNDERLYINGS, Underlying, date_text, strike_text
from .parties import KINDS
from .state import FutureRow, MarketState, Position


class Trade(NamedTuple):
    """One trade as the venue publishes it, and what it does to the dealer's book (signed, venue's amount unit)."""

    data: dict[str, Any]
    kind: str  # option, future, option_combo
    currency: str  # settlement currency
    dealer_amount: float


def book(position: Position, buyer: str, seller: str, amount: float, buyer_closes: bool, seller_closes: bool) -> float:
    """Book a trade between "customer" and "dealer"; returns the change of the dealer's position.

    Customers' longs minus shorts plus the dealer's net stays 0; a close beyond what is held opens instead.
    """
    change = 0.0
    if buyer == "dealer":
        change += amount
    elif buyer_closes and position.customers_short >= amount:
        position.customers_short = round(position.customers_short - amount, 8)
    else:
        position.customers_long = round(position.customers_long + amount, 8)
    if seller == "dealer":
        change -= amount
    elif seller_closes and position.customers_long >= amount:
        position.customers_long = round(position.customers_long - amount, 8)
    else:
        position.customers_short = round(position.customers_short + amount, 8)
    position.dealer = round(position.dealer + change, 8)
    return change


def draw(state: MarketState, dt_s: float) -> list[Trade]:
    """The trades of one grid step, in the order in which they happen."""
    trades: list[Trade] = []
    shares = state.parties.kind_shares
    for _ in range(int(state.rng.poisson(state.trade_rate * dt_s))):
        kind = KINDS[int(state.rng.choice(len(KINDS), p=shares))]
        trades += _future_trade(state) if kind == "future" else _option_event(state, kind)
    return trades


def _pick_row(state: MarketState, near: int | None = None) -> int | None:
    """A two-sided open option, likelier where it ticks more; of the same series as row ``near`` if given."""
    table = state.table
    usable = table["is_open"] & (table["bid"] > 0) & (table["ask"] > 0)
    if near is not None:
        usable &= table["series"] == table["series"][near]
        usable[near] = False
    weights = np.where(usable, table["weight"], 0.0)
    total = float(weights.sum())
    if total <= 0:
        return None
    row = int(np.searchsorted(np.cumsum(weights), state.rng.random() * total))
    return min(row, len(table) - 1)


def _amount(state: MarketState, u: Underlying, scale: float) -> float:
    lots = max(
        1.0, np.round(u.typical_amount / 4 / u.min_amount * scale * float(np.exp(1.1 * state.rng.standard_normal())))
    )
    return float(np.round(lots * u.min_amount, 6))


def _option_event(state: MarketState, kind: str) -> list[Trade]:
    rng = state.rng
    first = _pick_row(state)
    if first is None:
        return []
    n_legs = {"screen": 1, "liquidation": 1, "combo": 2}.get(kind) or int(rng.integers(1, 4))
    rows = [first]
    for _ in range(n_legs - 1):
        extra = _pick_row(state, near=first)
        if extra is not None and extra not in rows:
            rows.append(extra)
    u = UNDERLYINGS[state.options[first].underlying]
    amount = _amount(state, u, 8.0 if kind in ("block", "rfq") else 1.0)
    extras: dict[str, Any] = {}
    if kind in ("block", "rfq"):
        state.n_blocks += 1
        extras = {"block_trade_id": f"BLOCK-{100_000 + state.n_blocks}", "block_trade_leg_count": len(rows)}
        if kind == "rfq":
            extras["block_rfq_id"] = 5_000 + state.n_blocks
    taker, maker = _parties(state, kind)
    if kind == "liquidation":
        extras["liquidation"] = "T" if (taker, maker) == ("customer", "dealer") else "M" if taker == "dealer" else "MT"
    # Customers like to buy puts and sell calls, which makes the dealer's book the usual one.
    sign = float(state.table["sign"][first])
    p_buy = (0.58 if sign < 0 else 0.44) if taker == "customer" else 0.5
    side = "buy" if rng.random() < p_buy else "sell"
    if kind == "combo" and len(rows) == 2:
        return _combo(state, rows, amount, side, taker, maker)
    sides = [side] + ["sell" if side == "buy" else "buy" for _ in rows[1:]]
    is_screen = kind in ("screen", "liquidation")
    return [
        _option_trade(state, row, amount, s, taker, maker, extras, is_screen=is_screen)
        for row, s in zip(rows, sides, strict=True)
    ]


def _parties(state: MarketState, kind: str) -> tuple[str, str]:
    """(taker, maker).  An RFQ's requester is a customer and takes; a liquidated side is a customer."""
    p = state.parties
    if kind in ("rfq", "combo"):
        is_plain = p.p_requester_takes == 1.0 or state.rng.random() < p.p_requester_takes
        return ("customer", "dealer") if is_plain else ("dealer", "customer")
    x = state.rng.random()
    if kind == "block":
        return ("customer", "dealer") if x < p.p_block_customer_takes else ("dealer", "customer")
    if x < p.p_dealer_makes:
        return "customer", "dealer"
    return ("customer", "customer") if x < p.p_dealer_makes + p.p_no_dealer else ("dealer", "customer")


def _combo(state: MarketState, rows: list[int], amount: float, side: str, taker: str, maker: str) -> list[Trade]:
    """A spread traded as one: a trade of the combo with its legs, and the legs' own trades."""
    rows = sorted(rows, key=lambda r: (float(state.table["strike"][r]), state.options[r].sign))
    near, far = (state.options[r] for r in rows)
    u = UNDERLYINGS[near.underlying]
    style = "CS" if near.sign > 0 and far.sign > 0 else "PS" if near.sign < 0 and far.sign < 0 else "STRG"
    if style == "PS":
        rows = rows[::-1]
        near, far = far, near
    if near.strike == far.strike or (style == "STRG" and near.sign > 0):
        return []  # a straddle, or a call below a put: no name says which legs those are
    name = f"{u.prefix}-{style}-{date_text(near.expiry_ns)}-{strike_text(near.strike)}_{strike_text(far.strike)}"
    leg_signs = (1, 1) if style == "STRG" else (1, -1)
    combo = state.combos.get(name)
    if combo is None:
        state.next_id += 1
        ms = state.now_ns // 1_000_000
        combo = state.combos[name] = {
            "id": name,
            "state": "active",
            "legs": [{"amount": s, "instrument_name": o.name} for s, o in zip(leg_signs, (near, far), strict=True)],
            "creation_timestamp": ms,
            "instrument_id": state.next_id,
            "state_timestamp": ms,
            "expiration_timestamp": near.expiry_ns // 1_000_000,
            "underlying": near.underlying,
            "series": int(state.table["series"][rows[0]]),
        }
    state.n_trades += 1
    combo_trade_id = _trade_id(u, state.n_trades)
    legs = []
    for row, leg_sign in zip(rows, leg_signs, strict=True):
        leg_side = side if leg_sign > 0 else ("sell" if side == "buy" else "buy")
        extras = {"combo_id": name, "combo_trade_id": combo_trade_id}
        legs.append(_option_trade(state, row, amount, leg_side, taker, maker, extras, is_screen=False))
    price = round(sum(s * leg.data["price"] for s, leg in zip(leg_signs, legs, strict=True)), 6)
    mark = round(sum(s * leg.data["mark_price"] for s, leg in zip(leg_signs, legs, strict=True)), 8)
    seq = state.trade_seq[name] = state.trade_seq.get(name, 0) + 1
    data = {
        "timestamp": state.now_ns // 1_000_000,
        "price": price,
        "amount": amount,
        "direction": side,
        "index_price": state.index[u.price_index],
        "instrument_name": name,
        "trade_seq": seq,
        "mark_price": mark,
        "tick_direction": 1,
        "legs": [leg.data for leg in legs],
        "contracts": amount,
        "trade_id": combo_trade_id,
    }
    return [Trade(data, "option_combo", u.settlement, 0.0), *legs]


def _trade_id(u: Underlying, number: int) -> str:
    return str(number + 300_000_000) if u.settlement == "BTC" else f"{u.settlement}-{number + 300_000_000}"


def _tick_direction(price: float, last: float) -> int:
    """0 plus, 1 zero-plus, 2 minus, 3 zero-minus; unchanged prices count as zero-plus."""
    if np.isnan(last) or price == last:
        return 1
    return 0 if price > last else 2


def _option_trade(
    state: MarketState,
    row: int,
    amount: float,
    side: str,
    taker: str,
    maker: str,
    extras: dict[str, Any],
    *,
    is_screen: bool,
) -> Trade:
    """One option trade at the touch (screen) or between mark and touch (negotiated); books it and moves the ticker."""
    table, option = state.table, state.options[row]
    series = state.series[int(table["series"][row])]
    u = series.underlying
    mark = float(table["mark"][row])
    touch = float(table["ask"][row] if side == "buy" else table["bid"][row])
    if is_screen:
        price = touch
    else:
        inside = mark + state.rng.uniform(0.2, 1.0) * (touch - mark)
        price = max(u.tick, round(round(inside / u.tick) * u.tick, 6))
    unit = series.forward if u.is_inverse else 1.0
    tau = max((series.expiry_ns - state.now_ns) * 1e-9, 1e-3) / black.SECONDS_PER_YEAR
    total = black.implied_total_vol(
        np.array([price * unit]), np.array([series.forward]), np.array([option.strike]), np.array([float(option.sign)])
    )
    iv = 0.0 if np.isnan(total[0]) else min(round(100.0 * float(total[0]) / tau**0.5, 2), 999.0)
    change = _book_side(state, option.name, side, taker, maker, amount)
    seq = state.trade_seq[option.name] = state.trade_seq.get(option.name, 0) + 1
    state.n_trades += 1
    data = {
        "timestamp": state.now_ns // 1_000_000,
        "iv": iv,
        "price": price,
        "amount": amount,
        "direction": side,
        "index_price": state.index[u.price_index],
        "instrument_name": option.name,
        "trade_seq": seq,
        "mark_price": round(mark, 8),
        "tick_direction": _tick_direction(price, float(table["last"][row])),
        "contracts": amount,
        "trade_id": _trade_id(u, state.n_trades),
        **extras,
    }
    if not table["volume"][row]:
        table["first"][row] = table["high"][row] = table["low"][row] = price
    table["last"][row] = price
    table["high"][row], table["low"][row] = max(table["high"][row], price), min(table["low"][row], price)
    table["volume"][row] = round(float(table["volume"][row]) + amount, 6)
    table["volume_usd"][row] = round(float(table["volume_usd"][row]) + amount * price * unit, 2)
    table["open_interest"][row] = round(state.positions[option.name].open_interest, 6)
    return Trade(data, "option", u.settlement, change)


def _book_side(state: MarketState, name: str, side: str, taker: str, maker: str, amount: float) -> float:
    buyer, seller = (taker, maker) if side == "buy" else (maker, taker)
    closes = state.rng.random(2) < state.parties.p_close
    position = state.positions.setdefault(name, Position())
    return book(position, buyer, seller, amount, bool(closes[0]), bool(closes[1]))


def _future_trade(state: MarketState) -> list[Trade]:
    rows = [row for row in state.futures.values() if row.state == "open" and row.bid > 0]
    if not rows:
        return []
    weights = np.array([5.0 if row.series is None else 1.0 for row in rows])
    row = rows[int(state.rng.choice(len(rows), p=weights / weights.sum()))]
    u = UNDERLYINGS[row.contract.underlying]
    lot = u.future_contract_usd
    amount = round(
        lot * max(1.0, float(np.round((2_000.0 if u.is_inverse else 20.0) * np.exp(state.rng.standard_normal())))), 6
    )
    side = "buy" if state.rng.random() < 0.5 else "sell"
    taker, maker = _parties(state, "screen")
    price = row.ask if side == "buy" else row.bid
    change = _book_side(state, row.contract.name, side, taker, maker, amount)
    name = row.contract.name
    seq = state.trade_seq[name] = state.trade_seq.get(name, 0) + 1
    state.n_trades += 1
    data = {
        "timestamp": state.now_ns // 1_000_000,
        "price": price,
        "amount": amount,
        "direction": side,
        "index_price": row.index,
        "instrument_name": name,
        "trade_seq": seq,
        "mark_price": row.mark,
        "tick_direction": _tick_direction(price, row.last),
        "contracts": round(amount / lot, 6),
        "trade_id": _trade_id(u, state.n_trades),
    }
    _move_future(state, row, price, amount, is_inverse=u.is_inverse)
    return [Trade(data, "future", u.settlement, change)]


def _move_future(state: MarketState, row: FutureRow, price: float, amount: float, *, is_inverse: bool) -> None:
    row.last = price
    row.high, row.low = max(row.high, price), min(row.low or price, price)
    row.first = row.first or price
    coins = amount / price if is_inverse else amount
    row.volume = round(row.volume + coins, 8)
    row.volume_usd = round(row.volume_usd + coins * price, 2)
    row.open_interest = round(state.positions[row.contract.name].open_interest, 6)
