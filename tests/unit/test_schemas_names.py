"""Instrument names in every form of the venue, and texts that are none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas import BadName, Kind, OptionType, Payoff
from schemas.names import expiry_code, option_name, parse


def ns(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 8, tzinfo=UTC).timestamp()) * 10**9


INV, LIN = Payoff.INVERSE, Payoff.LINEAR


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        (
            "BTC-27MAR26-100000-C",
            (Kind.OPTION, "BTC", "BTC", "BTC", "btc_usd", INV, OptionType.CALL, 100_000.0, ns(2026, 3, 27), False),
        ),
        (
            "ETH-7APR23-1850-P",
            (Kind.OPTION, "ETH", "ETH", "ETH", "eth_usd", INV, OptionType.PUT, 1_850.0, ns(2023, 4, 7), False),
        ),
        (
            "BTC_USDC-27MAR26-100000-C",
            (Kind.OPTION, "BTC", "USDC", "USDC", "btc_usdc", LIN, OptionType.CALL, 100_000.0, ns(2026, 3, 27), False),
        ),
        (
            "XRP_USDC-30JUN23-0d625-C",
            (Kind.OPTION, "XRP", "USDC", "USDC", "xrp_usdc", LIN, OptionType.CALL, 0.625, ns(2023, 6, 30), False),
        ),
        ("BTC-27MAR26", (Kind.FUTURE, "BTC", "USD", "BTC", "btc_usd", INV, None, None, ns(2026, 3, 27), False)),
        ("BTC_USDC-4SEP25", (Kind.FUTURE, "BTC", "USDC", "USDC", "btc_usdc", LIN, None, None, ns(2025, 9, 4), False)),
        ("BTCDVOL_USDC-12APR23",
            (Kind.FUTURE, "BTCDVOL", "USDC", "USDC", "btcdvol_usdc", LIN, None, None, ns(2023, 4, 12), False)),
        ("BTC-PERPETUAL", (Kind.PERPETUAL, "BTC", "USD", "BTC", "btc_usd", INV, None, None, None, False)),
        ("SOL_USDC-PERPETUAL", (Kind.PERPETUAL, "SOL", "USDC", "USDC", "sol_usdc", LIN, None, None, None, False)),
        ("BTC-CS-19MAY26-70000_75000", (Kind.OPTION, "BTC", "BTC", "BTC", "btc_usd", INV, None, None, ns(2026, 5, 19), True)),
        ("BTC-STRD-29MAY26-77000", (Kind.OPTION, "BTC", "BTC", "BTC", "btc_usd", INV, None, None, ns(2026, 5, 29), True)),
        ("BTC-COMBO-1", (Kind.OPTION, "BTC", "BTC", "BTC", "btc_usd", INV, None, None, None, True)),
        ("BTC-FS-25DEC26_PERP", (Kind.FUTURE, "BTC", "USD", "BTC", "btc_usd", INV, None, None, None, True)),
        ("BTC-FS-5JUN26_19MAY26", (Kind.FUTURE, "BTC", "USD", "BTC", "btc_usd", INV, None, None, None, True)),
        ("XRP_USDC-RR-30JUN23-0d5_0d625",
            (Kind.OPTION, "XRP", "USDC", "USDC", "xrp_usdc", LIN, None, None, ns(2023, 6, 30), True)),
        ("ETH_USDC", (None, "ETH", "USDC", "USDC", "eth_usdc", LIN, None, None, None, False)),
    ],
)  # fmt: skip
def test_forms_of_names(name: str, parsed: tuple[object, ...]) -> None:
    assert tuple(parse(name)) == parsed
    assert parse(name).is_spot == (parsed[0] is None)


@pytest.mark.parametrize(
    "name",
    [
        "", "BTC", "BTC-", "-27MAR26", "BTC-27MAR26-100000", "BTC-27MAR26-100000-X", "BTC-27MAR26-0-C", "BTC-27MAR26-0d0-P",
        "BTC-31FEB26-100000-C", "BTC-00MAR26", "BTC-27MRZ26-1-C", "BTC-27mar26-1-C", "BTC-27MAR2026-1-C", "btc-27MAR26-1-C",
        "BTC-27MAR26-1.5-C", "BTC-27MAR26-d5-C", "BTC-27MAR26-1d-C", "BTC-27MAR26-1e5-C", "BTC-27MAR26-١٢-C", "BTC_-PERPETUAL",
        "BTC-27MAR26-100000-C\n", " BTC-PERPETUAL", "BTC-PERPETUAL-1-", "A" * 65, "watermark/3", "BTC_USDC-27MAR26-" + "9" * 60 + "-C",
    ],
)  # fmt: skip
def test_texts_that_are_no_names(name: str) -> None:
    with pytest.raises(BadName):
        parse(name)


@pytest.mark.parametrize(
    ("underlying", "strike", "name"),
    [("BTC", 100_000.0, "BTC-7APR23-100000-C"), ("XRP_USDC", 0.625, "XRP_USDC-7APR23-0d625-C"), ("TRX_USDC", 0.1, "TRX_USDC-7APR23-0d1-C")],
)  # fmt: skip
def test_names_are_put_together_as_the_venue_writes_them(underlying: str, strike: float, name: str) -> None:
    assert option_name(underlying, ns(2023, 4, 7), strike, OptionType.CALL) == name
    assert expiry_code(ns(2023, 4, 17)) == "17APR23"
    assert parse(name).strike == strike


FILES = (
    "http_get_instrument",
    "http_get_instruments",
    "http_get_instruments_option_combo",
    "http_get_instruments_future_combo",
)


def test_names_say_what_the_venues_own_records_say(shared: Path) -> None:
    """Recorded answers to get_instruments: kind, currencies, index, strike, type and expiry against the name alone."""
    kinds = {"option": Kind.OPTION, "option_combo": Kind.OPTION, "future_combo": Kind.FUTURE, "spot": None}
    n_compared = 0
    for file in FILES:
        answer = json.loads((shared / "data/deribit/ws-messages" / f"{file}.json").read_text("utf-8"))["result"]
        for row in answer if isinstance(answer, list) else [answer]:
            name = row["instrument_name"]
            if name == "BTC-COMBO-1":  # made up by the venue's manual: nothing in it says of what it is a combo
                continue
            parsed = parse(name)
            is_perpetual = row["kind"] == "future" and row.get("settlement_period") == "perpetual"
            kind = Kind.PERPETUAL if is_perpetual else kinds.get(row["kind"], Kind.FUTURE)
            assert (parsed.kind, parsed.is_combo) == (kind, row["kind"].endswith("combo")), name
            assert parsed.base_currency == row["base_currency"], name
            assert parsed.price_index == row["price_index"], name
            assert parsed.settlement_currency == row["settlement_currency"], name
            assert parsed.strike == row.get("strike") or parsed.is_combo, name
            if row["kind"] in ("option", "future"):
                assert parsed.quote_currency == row["quote_currency"], name
                # One row is a made-up sample of the venue's manual: it expires at 12:00, which no contract of the venue does.
                is_sample = row["expiration_timestamp"] == 1_735_300_800_000
                assert is_perpetual or is_sample or parsed.expiry_ns == row["expiration_timestamp"] * 10**6, name
            n_compared += 1
    assert n_compared >= 10
