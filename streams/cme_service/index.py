"""The index of a moment, from the market log: as of the newest ``UnderlyingQuote`` at or before it."""

from __future__ import annotations

from collections.abc import Collection

import schemas
from schemas import DecodeError, UnderlyingQuote
from streams import kafka, topics

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
PARTITION = 0
"""Broadcasts stand in every partition."""
KEY = UnderlyingQuote.__name__.encode()


def price_index(currency: str) -> str:
    """The index that CME's contracts lie beside: the coin in USD."""
    return f"{currency.lower()}_usd"


def index_at(
    bootstrap: str, namespace: str, moment_ns: int, currencies: Collection[str], max_age_s: float
) -> dict[str, float]:
    """USD per coin of each currency, of log time; a currency without one that is young enough is left out.

    The same answer as long as the log keeps the moment: offsets of a time do not change.
    """
    name = topics.full_name(topics.TICKS, namespace)
    if not currencies or name not in kafka.topic_names(bootstrap):
        return {}
    end_ms = moment_ns // NS_PER_MS + 1
    begin_ms = max(0, (moment_ns - round(max_age_s * NS_PER_S)) // NS_PER_MS)
    begin = kafka.offsets_for_time(bootstrap, name, [PARTITION], begin_ms)[PARTITION]
    end = kafka.offsets_for_time(bootstrap, name, [PARTITION], end_ms)[PARTITION]
    wanted = {price_index(currency): currency for currency in currencies}
    resolve = kafka.resolver(bootstrap, namespace)
    found: dict[str, float] = {}
    for message in kafka.read_range(bootstrap, name, {PARTITION: (begin, end)}):
        if message.key() != KEY:
            continue
        try:
            record = schemas.decode(message.value() or b"", resolve)
        except DecodeError:  # the engines have it in deadletter.v1
            continue
        currency = wanted.get(record.price_index) if isinstance(record, UnderlyingQuote) else None
        if currency is not None and record.index_price is not None and record.ts_event_ns <= moment_ns:
            found[currency] = record.index_price
    return found
