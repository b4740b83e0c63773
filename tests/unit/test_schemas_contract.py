"""The .avsc files, the Python records and the contract's list of enums say the same."""

from __future__ import annotations

import json
from enum import IntEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

import schemas
from schemas import RECORD_TYPES, SCHEMA_TEXT

# Written out from the contract, not from the code; UNKNOWN stands first in each.
SYMBOLS = {
    "RowStatus": "OK NO_QUOTE BELOW_INTRINSIC ABOVE_BOUND DETERMINED LOW_VEGA CAPPED BAD_INPUT NOT_CONVERGED "
    "EXPIRED NO_CONTRACT NOT_OPEN NO_FORWARD NO_SIGMA STALE_QUOTE CROSSED_QUOTE FIXING_MISSING NOT_READY",
    "Trigger": "QUOTE MARK UNDERLYING FIXING TIME ILLIQUID SNAPSHOT EXPIRY",
    "SigmaSource": "BID_ASK_MID MARK_PRICE LAST_TRADE STICKY NONE",
    "ForwardSource": "QUOTE FUTURE SYNTHETIC PARITY INDEX LAST_KNOWN WINDOW_INDEX NONE",
    "Kind": "OPTION FUTURE PERPETUAL",
    "Payoff": "INVERSE LINEAR",
    "OptionType": "CALL PUT",
    "Engine": "QMC CLOSED_FORM PATHS EUROPEAN NONE",
    "Direction": "BUY SELL",
    "TickDirection": "PLUS ZERO_PLUS MINUS ZERO_MINUS",
    "Liquidation": "NONE MAKER TAKER BOTH",
    "InstrumentStatus": "CREATED STARTED OPEN SUSPENDED CLOSED SETTLED TERMINATED",
    "AuditKind": "VENUE EUROPEAN ENGINE",
    "CmeSource": "BID_ASK_MID SETTLEMENT PARITY_TWIN NONE",
}
RECORDS = (
    "OptionQuote OptionTrade InstrumentState UnderlyingQuote SettlementFixing Clock InstrumentSet FeedGap "
    "Greeks Watermark Reject TradeGreeks Audit Checkpoint DeadLetter FeedStatus CmeMark "
    "Flow FlowStrike FlowMerged SettlementFlow"
)
FIRST_FIELDS = {
    "OptionQuote": "ts_event_ns ingest_epoch instrument_name is_snapshot snapshot_id bid bid_size ask ask_size",
    "OptionTrade": "ts_event_ns ingest_epoch instrument_name trade_id trade_seq price amount_coin direction",
    "UnderlyingQuote": "ts_event_ns ingest_epoch seq price_index base_currency is_complete index_price dvol",
    "SettlementFixing": "ts_event_ns ingest_epoch seq price_index expiry_ns grid_index grid_ns price is_imputed n_fixed",
    "Clock": "ts_event_ns ingest_epoch seq offset_ms",
    "Greeks": "instrument_name kind base_currency price_index payoff option_type strike expiry_ns contract_size",
    "CmeMark": "product instrument_name instrument_id root family base_currency option_type strike strike_index",
    "Flow": "currency ts_event_ns is_final n_partitions late_partitions oldest_log_time_ns",
    "FlowStrike": "currency ts_event_ns expiry_ns strike",
    "SettlementFlow": "currency ts_event_ns expiry_ns window_begin_ns",
    "FlowMerged": "currency ts_event_ns is_final",
    "Checkpoint": "group topic partition epoch offset offsets log_id log_time_ns settings_hash engine_version",
}
PLAIN = {"string": str, "long": int, "int": int, "double": float, "boolean": bool, "bytes": bytes}


def agree(schema: Any, hint: Any, named: dict[str, Any]) -> bool:
    """Whether an Avro type and a Python type mean the same; symbols and nested fields in order."""
    if isinstance(schema, list):
        inner = [part for part in get_args(hint) if part is not NoneType]
        return schema[0] == "null" and get_origin(hint) is UnionType and agree(schema[1], inner[0], named)
    if isinstance(schema, str) and schema not in PLAIN:
        schema = named[schema]
    if isinstance(schema, str):
        return PLAIN[schema] is hint
    if "name" in schema:
        assert schema["namespace"] == "greekstream.v1"
        named[f"greekstream.v1.{schema['name']}"] = schema
    if schema["type"] == "array":
        return get_origin(hint) is tuple and agree(schema["items"], get_args(hint)[0], named)
    if schema["type"] == "map":
        return get_origin(hint) is dict and agree(schema["values"], get_args(hint)[1], named)
    if schema["type"] == "enum":
        same_symbols = schema["symbols"] == [member.name for member in hint]
        same_numbers = [member.value for member in hint] == list(range(len(hint)))
        return schema["name"] == hint.__name__ and schema["default"] == "UNKNOWN" and same_symbols and same_numbers
    hints = get_type_hints(hint)
    return (
        schema["name"] == hint.__name__
        and [field["name"] for field in schema["fields"]] == list(hints) == list(hint._fields)
        and all(agree(field["type"], hints[field["name"]], named) for field in schema["fields"])
    )


def fields_of(schema: Any) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        return [found for part in schema for found in fields_of(part)]
    if not isinstance(schema, dict):
        return []
    own = [(schema["name"], field) for field in schema.get("fields", ())]
    inner = [found for _, field in own for found in fields_of(field["type"])]
    return own + inner + fields_of(schema.get("items")) + fields_of(schema.get("values"))


@pytest.mark.parametrize("cls", RECORD_TYPES, ids=lambda cls: cls.__name__)
def test_avsc_and_python_record_agree(cls: type[Any]) -> None:
    assert agree(json.loads(SCHEMA_TEXT[cls]), cls, {})


@pytest.mark.parametrize("cls", RECORD_TYPES, ids=lambda cls: cls.__name__)
def test_every_field_says_what_it_means_and_in_what_unit(cls: type[Any]) -> None:
    units = (
        "UTC", "Coin", "coin", "USD", "Count", "Text", "Enum", "Boolean", "Number", "Fraction", "Years", "Milliseconds",
        "Per ", "per ", "List", "In ", "Bytes", "contract's own premium unit",
    )  # fmt: skip
    for record, field in fields_of(json.loads(SCHEMA_TEXT[cls])):
        doc = field.get("doc", "")
        meaning, _, unit = doc.rstrip(".").rpartition(". ")
        unit_sentences = doc[doc.find(". ") + 1 :]
        assert meaning and any(word in unit or word in unit_sentences for word in units), (
            f"{record}.{field['name']}: {doc!r}"
        )


def test_every_record_of_the_contract_is_there_and_has_its_file() -> None:
    assert [cls.__name__ for cls in RECORD_TYPES] == RECORDS.split()
    files = {path.stem for path in (Path(schemas.__file__).parent / "avsc").glob("*.avsc")}
    assert files == set(RECORDS.split())


def test_every_enum_symbol_of_the_contract_is_there_in_order() -> None:
    for name, symbols in SYMBOLS.items():
        assert [member.name for member in getattr(schemas, name)] == ["UNKNOWN", *symbols.split()], name


def test_no_enum_is_missing_from_the_written_list() -> None:
    exported = {name for name, thing in vars(schemas).items() if isinstance(thing, type) and issubclass(thing, IntEnum)}
    assert exported == set(SYMBOLS)


@pytest.mark.parametrize("name", FIRST_FIELDS)
def test_fields_start_in_the_order_of_the_contract(name: str) -> None:
    fields = FIRST_FIELDS[name].split()
    assert list(getattr(schemas, name)._fields[: len(fields)]) == fields


def test_trade_greeks_starts_with_the_trade_and_ends_with_the_values_and_twin_of_greeks() -> None:
    trade, greeks, both = (cls._fields for cls in (schemas.OptionTrade, schemas.Greeks, schemas.TradeGreeks))
    assert both[: len(trade)] == trade
    values_and_twin = greeks[greeks.index("engine") : greeks.index("venue_sigma")]
    assert both[-len(values_and_twin) :] == values_and_twin
