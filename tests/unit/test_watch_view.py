"""The board of an expiry, and its pictures."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from schemas import RowStatus
from streams.cli import watch as watch_command
from streams.cli.watch_view import View, columns_for, picture, plain
from streams.reader.board import around_the_money, board, busiest_expiry, parse_expiry, price_index_of
from streams.reader.table import Staleness, Table
from tests.results_world import NS, START_NS, greeks, strip

NEAR, FAR = "16JAN26", "27MAR26"


def rows(n_liquid_near: int = 3, n_liquid_far: int = 3) -> list:
    near = [greeks(name, is_liquid=i < n_liquid_near, forward=88_000.0) for i, name in enumerate(strip(NEAR))]
    far = [greeks(name, is_liquid=i < n_liquid_far) for i, name in enumerate(strip(FAR))]
    linear = [greeks("BTC_USDC-16JAN26-90000-C", is_liquid=True), greeks("BTC-PERPETUAL"), greeks("ETH-16JAN26-3000-C")]
    return [*near, *far, *linear]


def test_the_nearest_busy_expiry_is_taken() -> None:
    options = lambda *counts: [row for row in rows(*counts) if row.price_index == "btc_usd" and row.expiry_ns]  # noqa: E731
    assert busiest_expiry(options(3, 3)) == parse_expiry(NEAR)
    assert busiest_expiry(options(2, 4)) == parse_expiry(NEAR)
    assert busiest_expiry(options(1, 4)) == parse_expiry(FAR)
    assert busiest_expiry([]) is None


def test_a_board_has_calls_and_puts_by_strike_of_one_index_and_expiry() -> None:
    found = board(rows(), "btc_usd")
    assert found is not None
    assert [line.strike for line in found.lines] == [*range(60_000, 130_000, 10_000)]
    assert all(
        line.call.instrument_name.endswith("-C") and line.put.instrument_name.endswith("-P") for line in found.lines
    )
    assert found.forward == 88_000.0
    assert [line.strike for line in found.lines if line.is_atm] == [90_000.0]
    assert found.expiries_ns == (parse_expiry(NEAR), parse_expiry(FAR))
    linear = board(rows(), price_index_of("BTC_USDC"))
    assert linear is not None
    assert [(line.strike, line.put) for line in linear.lines] == [(90_000.0, None)]
    assert board(rows(), "btc_usd", parse_expiry("17JAN26")) is None


def test_the_money_stays_in_the_picture_when_the_screen_is_short() -> None:
    lines = board(rows(), "btc_usd", parse_expiry(NEAR)).lines
    assert [line.strike for line in around_the_money(lines, 3)] == [80_000.0, 90_000.0, 100_000.0]
    assert around_the_money(lines, 50) == lines
    at_the_edge = board([greeks(n, forward=1.0) for n in strip(NEAR)], "btc_usd").lines
    assert [line.strike for line in around_the_money(at_the_edge, 2)] == [60_000.0, 70_000.0]


@pytest.mark.parametrize("text", ["", "27MAR", "PERPETUAL", "31FEB26", "2026-03-27"])
def test_texts_that_are_no_expiry(text: str) -> None:
    with pytest.raises(ValueError, match="no expiry"):
        parse_expiry(text)


def view(chain: list, **changes: object) -> View:
    made = View(
        "demo.greeks.v1", board(chain, "btc_usd", parse_expiry(NEAR)), START_NS + 12 * NS, 0.987, 42, 1234.5, (), 0.4
    )
    return made._replace(**changes)


def chain() -> list:
    names = strip(NEAR)
    special = {
        names[0]: {"status": RowStatus.NO_QUOTE, "price_usd": None, "delta": None, "sigma": None},
        names[6]: {"price_usd": 2345.67, "delta": 0.512, "sigma": 0.6543, "bid": 0.0255, "ask": 0.027},
    }
    return [greeks(name, forward=88_000.0, **special.get(name, {})) for name in names]


def test_plain_text_has_the_header_the_money_and_both_sides() -> None:
    lines = plain(view(chain())).splitlines()
    assert "demo.greeks.v1" in lines[0]
    assert "btc_usd 16JAN26, 7 d left  forward 88,000.00 USD" in lines[0]
    assert "log time 2026-01-09T07:30:12.000Z  coverage 98.7 %  42 instruments  1,234 rows/s" in lines[1]
    (atm,) = [line for line in lines if "> 90,000 <" in line]
    call, put = atm.split("> 90,000 <")
    assert call.split() == ["ok", "12s", "0.0270", "0.0255", "65.43", "0.512", "2,345.67"]
    assert put.split() == ["1,000.00", "0.500", "60.00", "-", "-", "12s", "ok"]
    lowest = next(line for line in lines if " 60,000 " in line)
    assert lowest.split("60,000")[0].split() == ["no", "quote", "12s", "-", "-", "-", "-", "-"], "no number is not zero"


def test_silence_is_said() -> None:
    assert "STALE" not in plain(view(chain()))
    shown = plain(view(chain(), stale_partitions=tuple(range(16)), silent_s=63.0))
    assert "STALE: no watermark from all partitions for 63 s" in shown
    assert "partitions [3, 7]" in plain(view(chain(), stale_partitions=(3, 7)))
    young = plain(view(chain(), stale_partitions=(3, 7), silent_s=6.0, is_young=True))
    assert "waiting: no watermark from partitions [3, 7] for 6 s; workers may still be starting" in young
    assert "STALE" not in young


@pytest.mark.parametrize(
    ("after_s", "silent_s", "is_young"), [(1.0, 6.0, True), (21.0, 6.0, False), (1.0, 3_600.0, False)]
)
def test_only_a_short_silence_at_the_start_of_a_watch_may_be_workers_that_are_starting(
    monkeypatch: pytest.MonkeyPatch, after_s: float, silent_s: float, is_young: bool
) -> None:
    """Who looks at a chain that has been dead for an hour is told so by the first picture."""
    now_s = 100.0
    monkeypatch.setattr(watch_command.time, "monotonic", lambda: now_s)
    table = Table((3,), 0.0)
    reader = SimpleNamespace(table=table, staleness=lambda: Staleness((3,), silent_s))
    watch = watch_command.Watch(reader, "demo.greeks.v1", "btc_usd", None)
    now_s += after_s
    assert watch.view().is_young is is_young


def test_waiting_is_said_before_the_first_option() -> None:
    assert "no options yet (42 rows so far); waiting" in plain(view(chain(), board=None, coverage=None))


@pytest.mark.parametrize(("width", "n_columns"), [(60, 3), (124, 4), (240, 8)])
def test_the_picture_fits_the_terminal(width: int, n_columns: int) -> None:
    assert len(columns_for(width)) == n_columns
    console = Console(width=max(width, 104), height=12, record=True, force_terminal=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(picture(view(chain()), width, 12))
    text = console.export_text()
    assert "> 90,000 <" in text
    assert "80,000" in text
    assert "120,000" not in text, "12 lines hold three strikes"
    assert len(text.splitlines()) <= 12


def test_rows_without_numbers_and_of_silent_partitions_look_different() -> None:
    console = Console(width=200, height=30, record=True, force_terminal=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(picture(view(chain(), stale_partitions=(chain()[6].source_partition,)), 200, 30))
    styled = console.export_text(styles=True)
    assert "\x1b[33m2,345.67" in styled.replace("\x1b[33m  ", "\x1b[33m"), "yellow: its partition is silent"
    assert re.search(r"7m *> 90,000 <", styled), "the money is marked"
