"""From the fold's records to those of flow.settlements.v1: one for each expiry of a currency, when its window is over.

What a cold start reads before it has rows of greeks counts as other days, and is not published again.
"""

from __future__ import annotations

from schemas import Greeks, Kind, SettlementFlow, TradeGreeks, WindowComparison, WindowFlow
from schemas.errors import BadName
from schemas.names import parse
from streams.flow import settlements
from streams.flow.settlements import Ended, Settlements, Sums

from .lanes import NEVER
from .state import Context, Final

MEASURES = (
    "n_trades", "volume_coin", "volume_usd", "taker_net_coin", "taker_net_usd", "taker_delta_coin", "taker_gamma_usd",
)  # fmt: skip
EXPIRING, ALL = "expiring", "all"


def take(final: Final, record: Greeks | TradeGreeks, now_ns: int, context: Context) -> None:
    """Learn expiries of rows and trades; a trade goes into its window.  ``now_ns``: the final second before."""
    if isinstance(record, Greeks):
        if record.kind == Kind.OPTION and record.expiry_ns is not None:
            _learn(final, record.base_currency, record.expiry_ns, now_ns, context)
        return
    try:
        named = parse(record.instrument_name)
    except BadName:
        return  # the dealers' side counts it
    if named.kind is not Kind.OPTION or named.is_combo or named.expiry_ns is None:
        return
    state = _learn(final, named.base_currency, named.expiry_ns, now_ns, context)
    final.settlements[named.base_currency] = settlements.take(state, record, named.expiry_ns)


def _learn(final: Final, currency: str, expiry_ns: int, now_ns: int, context: Context) -> Settlements:
    state = final.settlements.get(currency, Settlements())
    if expiry_ns not in state.expiries:
        state = final.settlements[currency] = settlements.learn(state, currency, expiry_ns, now_ns, context.flow)
    return state


def end_second(final: Final, second_ns: int, context: Context) -> list[SettlementFlow]:
    """The records of the windows that are over with this second, by currency."""
    found: list[SettlementFlow] = []
    for currency in sorted(final.settlements):
        state, over = settlements.end_second(final.settlements[currency], second_ns, context.flow)
        final.settlements[currency] = state
        if final.began_ns != NEVER:
            found += [_record(currency, second_ns, ended, context) for ended in over]
    return found


def _record(currency: str, second_ns: int, ended: Ended, context: Context) -> SettlementFlow:
    slot, window = ended.slot, ended.window
    others = {
        EXPIRING: [day.expiring for day in slot.days if day.expiring is not None],
        ALL: [day.every for day in slot.days],
    }
    return SettlementFlow(
        currency=currency,
        ts_event_ns=second_ns,
        expiry_ns=window.end_ns,
        window_begin_ns=window.end_ns - slot.length_ns,
        rule_id=slot.rule_id,
        settings_hash=context.settings_hash,
        engine_version=context.engine_version,
        seen_share=ended.seen_share,
        is_whole=settlements.is_whole(ended, context.flow),
        is_cold=not slot.days,
        flows=(_flow(EXPIRING, window.expiring), _flow(ALL, window.every)),
        other_days=(
            *_comparisons(EXPIRING, window.expiring, others[EXPIRING]), *_comparisons(ALL, window.every, others[ALL]),
        ),
    )  # fmt: skip


def _flow(scope: str, sums: Sums) -> WindowFlow:
    return WindowFlow(
        scope, sums.n_trades, sums.n_buys, sums.n_sells, sums.volume_coin, settlements.known(sums, "volume_usd"),
        sums.taker_net_coin, settlements.known(sums, "taker_net_usd"), settlements.known(sums, "taker_delta_coin"),
        settlements.known(sums, "taker_gamma_usd"), settlements.known(sums, "european_taker_delta_coin"),
        settlements.known(sums, "european_taker_gamma_usd"), sums.n_blocks, sums.n_liquidations, sums.n_without_index,
        sums.n_without_greeks, sums.n_unreadable,
    )  # fmt: skip


def _comparisons(scope: str, sums: Sums, others: list[Sums]) -> tuple[WindowComparison, ...]:
    """Each measure against the days that know it."""
    found = []
    for measure in MEASURES:
        value = settlements.known(sums, measure)
        days = [number for number in (settlements.known(other, measure) for other in others) if number is not None]
        found.append(WindowComparison(scope, measure, value, *settlements.compared(value, days)))
    return tuple(found)
