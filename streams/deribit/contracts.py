"""What an instrument is: from the venue's record, or, where there is none, from its name.

Records of 2021 lack ``price_index``, ``settlement_currency``, ``instrument_type`` and ``tick_size_steps``; what is missing is
taken from the name.
"""

from __future__ import annotations

from schemas import InstrumentState, InstrumentStatus, Kind, OptionType, Payoff, TickStep
from schemas.names import ParsedName
from streams.deribit.fields import (
    FIRST_MS,
    LAST_MS,
    NS_PER_MS,
    FieldError,
    Object,
    a_list,
    an_object,
    number,
    optional_text,
    parsed_name,
    positive,
    positive_or_zero,
    text,
)
from streams.deribit.quotes import NO_EPOCH, status_of

SETTLEMENT_RULE = "deribit-30min-4s"
EXERCISE_STYLE = "european"
TICK_OF_INFERRED, SIZE_OF_INFERRED = 0.0005, 1.0
MOST_TICK_STEPS = 16
_PAYOFFS = {"reversed": Payoff.INVERSE, "linear": Payoff.LINEAR}
_OPTION_TYPES = {"call": OptionType.CALL, "put": OptionType.PUT}


def instrument_state(row: Object, ts_event_ns: int) -> InstrumentState | None:
    """A row of get_instruments as our contract; None for what is none of ours (combos, spot).

    ts_event_ns: when the venue said so (its answers carry that time, the row itself does not).
    """
    venue_kind = text(row, "kind")
    name = text(row, "instrument_name")
    if venue_kind not in ("option", "future"):
        return None
    named = parsed_name(name)
    if named is None or named.kind is None or named.is_combo:
        raise FieldError("instrument_name", name, f"a name of kind {venue_kind}")
    if (venue_kind == "option") != (named.kind == Kind.OPTION):
        raise FieldError("kind", venue_kind, f"the kind that {name} says")
    payoff = _payoff(row, named)
    is_option = venue_kind == "option"
    return InstrumentState(
        ts_event_ns=ts_event_ns,
        ingest_epoch=NO_EPOCH,
        instrument_name=name,
        is_snapshot=False,
        snapshot_id=None,
        kind=named.kind,
        base_currency=text(row, "base_currency"),
        # An inverse option is quoted in its coin; the venue's own record says so ("quote_currency": "BTC").
        quote_currency=text(row, "quote_currency"),
        settlement_currency=optional_text(row, "settlement_currency") or named.settlement_currency,
        price_index=optional_text(row, "price_index") or named.price_index,
        payoff=payoff,
        option_type=_option_type(row) if is_option else None,
        strike=positive(row, "strike") if is_option else None,
        creation_ns=_ns(row, "creation_timestamp"),
        expiry_ns=None if named.kind == Kind.PERPETUAL else _expiry_ns(row),
        contract_size=positive(row, "contract_size"),
        contract_size_unit=_size_unit(named.kind, payoff),
        tick_size=positive(row, "tick_size"),
        tick_size_steps=_tick_steps(row),
        min_trade_amount=positive_or_zero(row, "min_trade_amount"),
        status=_status(row),
        delivery_price=number(row, "delivery_price"),
        settlement_rule=SETTLEMENT_RULE,
        exercise_style=EXERCISE_STYLE,
        is_inferred=row.get("is_inferred") is True,  # the simulator's word for records that it made from names
    )


def inferred_state(instrument_name: str, ts_event_ns: int) -> InstrumentState | None:
    """A contract made from its name alone: tick 0.0005, contract size 1, open.  None when the name says too little."""
    named = parsed_name(instrument_name)
    if named is None or named.kind is None or named.is_combo:
        return None
    return InstrumentState(
        ts_event_ns=ts_event_ns,
        ingest_epoch=NO_EPOCH,
        instrument_name=instrument_name,
        is_snapshot=False,
        snapshot_id=None,
        kind=named.kind,
        base_currency=named.base_currency,
        quote_currency=named.quote_currency,
        settlement_currency=named.settlement_currency,
        price_index=named.price_index,
        payoff=named.payoff,
        option_type=named.option_type,
        strike=named.strike,
        creation_ns=None,
        expiry_ns=named.expiry_ns,
        contract_size=SIZE_OF_INFERRED,
        contract_size_unit=_size_unit(named.kind, named.payoff),
        tick_size=TICK_OF_INFERRED,
        tick_size_steps=(),
        min_trade_amount=None,
        status=InstrumentStatus.OPEN,
        delivery_price=None,
        settlement_rule=SETTLEMENT_RULE,
        exercise_style=EXERCISE_STYLE,
        is_inferred=True,
    )


def _payoff(row: Object, named: ParsedName) -> Payoff:
    word = optional_text(row, "instrument_type") or optional_text(row, "future_type")
    if word is None:
        return named.payoff
    if word not in _PAYOFFS:
        raise FieldError("instrument_type", word, "'reversed' or 'linear'")
    return _PAYOFFS[word]


def _size_unit(kind: Kind, payoff: Payoff) -> str:
    """Options and linear futures are sized in coin, inverse futures in USD (10 USD a contract)."""
    return "usd" if kind != Kind.OPTION and payoff == Payoff.INVERSE else "coin"


def _option_type(row: Object) -> OptionType:
    word = text(row, "option_type")
    if word not in _OPTION_TYPES:
        raise FieldError("option_type", word, "'call' or 'put'")
    return _OPTION_TYPES[word]


def _ns(row: Object, field: str) -> int | None:
    value = row.get(field)
    if value is None:
        return None
    if type(value) is int and FIRST_MS <= value <= LAST_MS:
        return value * NS_PER_MS
    raise FieldError(field, value, "ms UTC between 2010 and 2100, or null")


def _expiry_ns(row: Object) -> int:
    expiry_ns = _ns(row, "expiration_timestamp")
    if expiry_ns is None:
        raise FieldError("expiration_timestamp", None, "ms UTC")
    return expiry_ns


def _tick_steps(row: Object) -> tuple[TickStep, ...]:
    steps = a_list(row.get("tick_size_steps") or [], "tick_size_steps")
    if len(steps) > MOST_TICK_STEPS:
        raise FieldError("tick_size_steps", len(steps), f"at most {MOST_TICK_STEPS} steps")
    objects = [an_object(step, "tick_size_steps") for step in steps]
    return tuple(TickStep(positive(step, "above_price"), positive(step, "tick_size")) for step in objects)


def _status(row: Object) -> InstrumentStatus:
    state = optional_text(row, "state")
    if state is not None:
        return status_of(state)
    return InstrumentStatus.CLOSED if row.get("is_active") is False else InstrumentStatus.OPEN
