"""The records with their Avro schemas and fingerprints, read from the package once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas import records_cme, records_flow, records_market, records_operations, records_results
from schemas.errors import DecodeError, UnknownSchema

NAMESPACE = "greekstream.v1"
ROOMS = (records_market, records_results, records_operations, records_cme, records_flow)

RECORD_TYPES: tuple[type[Any], ...] = (
    records_market.OptionQuote,
    records_market.OptionTrade,
    records_market.InstrumentState,
    records_market.UnderlyingQuote,
    records_market.SettlementFixing,
    records_market.Clock,
    records_market.InstrumentSet,
    records_market.FeedGap,
    records_results.Greeks,
    records_results.Watermark,
    records_results.Reject,
    records_results.TradeGreeks,
    records_results.Audit,
    records_operations.Checkpoint,
    records_operations.DeadLetter,
    records_operations.FeedStatus,
    records_cme.CmeMark,
    records_flow.Flow,
    records_flow.FlowStrike,
    records_flow.FlowMerged,
    records_flow.SettlementFlow,
)

Resolve = Callable[[bytes | int], str]
"""Fingerprint (8 bytes, as on the wire) or registry id -> JSON text of the writer's schema; raises UnknownSchema."""


def fingerprint_of(schema_text: str) -> bytes:
    """CRC-64-AVRO of the parsing canonical form; eight bytes, little-endian, as in a single-object frame."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(json.loads(schema_text)), "CRC-64-AVRO"))


SCHEMA_TEXT: dict[type[Any], str] = {
    cls: (Path(__file__).parent / "avsc" / f"{cls.__name__}.avsc").read_text("utf-8") for cls in RECORD_TYPES
}
FINGERPRINT: dict[type[Any], bytes] = {cls: fingerprint_of(text) for cls, text in SCHEMA_TEXT.items()}
PAST_TEXTS: tuple[str, ...] = tuple(
    path.read_text("utf-8") for path in sorted((Path(__file__).parent / "avsc" / "past").glob("*.avsc"))
)
"""Schemas of former versions, ``<record>.<fingerprint>.avsc``: what was once written is read without anybody's help."""
TEXT_BY_FINGERPRINT: dict[bytes, str] = {fingerprint_of(text): text for text in PAST_TEXTS} | {
    FINGERPRINT[cls]: SCHEMA_TEXT[cls] for cls in RECORD_TYPES
}
TYPE_BY_NAME: dict[str, type[Any]] = {f"{NAMESPACE}.{cls.__name__}": cls for cls in RECORD_TYPES}


def packaged(key: bytes | int) -> str:
    """Resolve a fingerprint among the schemas of this package, those of former versions among them.

    A registry id cannot mean anything here: without a registry such a frame is malformed, and a stray zero byte at the start
    of a value must not pass for a schema to wait for.
    """
    if isinstance(key, int):
        raise DecodeError("no-registry", f"Confluent frame with id {key}, and no schema registry (SCHEMA_REGISTRY_URL)")
    text = TEXT_BY_FINGERPRINT.get(key)
    if text is None:
        raise UnknownSchema(key)
    return text


def full_name(record_type: type[Any]) -> str:
    """``greekstream.v1.Greeks``: the record's name on the wire, and the end of its registry subject."""
    return f"{NAMESPACE}.{record_type.__name__}"


def subject(topic: str, record_type: type[Any]) -> str:
    """Subject of a schema registry under TopicRecordNameStrategy, for the topic's full name."""
    return f"{topic}-{full_name(record_type)}"
