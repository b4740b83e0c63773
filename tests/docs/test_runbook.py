"""The runbook knows every word that a record can say; pages on numbers hold what follows from their own figures."""

from __future__ import annotations

import inspect
import io
import json
import math
import re
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import get_type_hints

import pytest
import zstandard

from pricers import Status
from schemas import Greeks, catalogue, codec, enums
from streams.ingest import log as ingest_log
from streams.ingest.core import clockwork, fold
from tests.conftest import ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
SAID = set(re.findall(r"`([\w-]+)`", RUNBOOK))
ENUMS = [
    kind for _, kind in inspect.getmembers(enums, inspect.isclass) if issubclass(kind, IntEnum) and kind is not IntEnum
]


def table(head: str, page: str) -> dict[str, list[str]]:
    """{first cell: the others} of the first table under this head."""
    lines = page[page.index(head) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|---"))
    rows = [line.strip("| ").split(" | ") for line in lines[start + 1 : lines.index("", start)]]
    return {row[0].strip("`"): row[1:] for row in rows}


@pytest.mark.parametrize("kind", [*ENUMS, Status], ids=lambda kind: kind.__name__)
def test_every_symbol_of_the_records_is_in_the_runbook(kind: type[IntEnum]) -> None:
    assert {symbol.name for symbol in kind} - SAID == set()


def test_every_row_status_and_source_has_a_line_that_says_what_to_do() -> None:
    lines = table("## Status of a row", RUNBOOK)
    assert set(lines) == {status.name for status in enums.RowStatus}
    assert all(len(cells) == 3 and all(cell.strip() for cell in cells) for cells in lines.values())
    assert set(table("## Where the vol", RUNBOOK)) == {source.name for source in enums.SigmaSource} - {"UNKNOWN"}
    assert set(table("## Where the forward", RUNBOOK)) == {source.name for source in enums.ForwardSource} - {"UNKNOWN"}


def test_every_flag_of_a_row_has_its_line() -> None:
    flags = {name for name, hint in get_type_hints(Greeks).items() if hint is bool}
    assert flags == set(table("## Flags", RUNBOOK))


def test_every_state_of_the_feed_and_every_reason_of_a_dead_letter_is_there() -> None:
    states = {ingest_log.CLAIMED} | set(re.findall(r'"(\w+)" if', inspect.getsource(clockwork)))
    states |= set(re.findall(r'state\.say\("(\w+)"', inspect.getsource(fold)))
    states |= set(re.findall(r'else "(\w+)"\)', inspect.getsource(clockwork)))
    assert set(table("## The feed", RUNBOOK)) == states
    reasons = set(re.findall(r'DecodeError\("([\w-]+)"', inspect.getsource(codec) + inspect.getsource(catalogue)))
    assert len(reasons) > 3 and reasons <= SAID


EXPIRY = (ROOT / "docs" / "expiry.md").read_text()


def test_inside_the_window_gammas_at_the_money_are_in_the_ratio_that_theory_has() -> None:
    """E-03: with n fixings left of N, sqrt(3) n/N of Black-76's gamma, over sqrt((1 + 1/n)(1 + 1/2n)) for their being discrete."""
    for minutes, (formula, ours) in table("| BTC, before the end", EXPIRY).items():
        left = int(minutes.removesuffix(" min")) * 15
        if left < 450:
            want = math.sqrt(3 / ((1 + 1 / left) * (1 + 1 / (2 * left)))) * left / 450
            assert float(ours.strip(" |")) / float(formula) == pytest.approx(want, abs=0.5e-4 / float(formula) * 2)


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_the_venues_delta_counts_what_is_left_and_ours_agrees(coin: str) -> None:
    """The venue's is at most the share of the fixings that is left; ours exceeds it by the inverse payoff's value at most.

    The coin price's own share, price / forward, is at most the 0.4 % by which the index stood above the strike.
    """
    rows = table(f"| ticker of {coin}", EXPIRY)
    assert len(rows) > 5
    for _, n_fixed, venue_gamma, ours, _, venue_delta, delta in rows.values():
        left = 1 - int(n_fixed) / 450
        assert float(venue_delta) <= left + 5e-4 and float(delta.strip(" |")) <= left + 4e-3
        assert float(venue_delta) == pytest.approx(float(delta.strip(" |")), abs=0.01)
        assert float(ours) <= float(venue_gamma) * 1.02


TICKER = re.compile(r'"instrument_name":"(BTC-13APR23-30000-C|ETH-13APR23-1925-C)"')


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_the_venues_column_is_what_the_recording_says(coin: str, shared: Path) -> None:
    path = shared / "data" / "deribit" / "chain-2023-04" / f"{coin.lower()}_2023-04-13.jsonl.zst"
    said = {}
    with path.open("rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file)):
            if TICKER.search(line):
                book = json.loads(line)
                at = datetime.fromtimestamp(book["timestamp"] / 1000, UTC)
                said[f"{at:%H:%M:%S}"] = (book["index_price"], book["greeks"]["gamma"], book["greeks"]["delta"])
    for time, (index, _, gamma, _, _, delta, _) in table(f"| ticker of {coin}", EXPIRY).items():
        recorded = said[time]  # a sweep reads each book once
        assert float(gamma) == pytest.approx(recorded[1], abs=1e-9)
        assert float(delta) == pytest.approx(recorded[2], abs=6e-4)
        assert float(index) == pytest.approx(recorded[0], abs=0.01)


def test_every_value_of_a_row_has_its_unit_and_convention_explained() -> None:
    """O4: ours, the European twin's and the venue's."""
    page = (ROOT / "docs" / "numbers.md").read_text()
    fields = list(Greeks._fields)
    values = fields[fields.index("price_usd") : fields.index("venue_rho") + 1]
    assert len(values) > 25
    assert [name for name in values if f"`{name}`" not in page] == []


def test_the_readme_states_assumptions_and_biases_and_where_european_greeks_diverge() -> None:
    """O1, O2: the share by which Black-76 at the money overprices is 1/sqrt(T_eff/T) - 1 with T_eff = T - 2W/3 + h/2 (E-03)."""
    readme = (ROOT / "README.md").read_text()
    part = readme[readme.index("## Assumptions and biases") :].partition("\n## ")[0]
    for minutes, said in ((7 * 1440, "0.1 %"), (1440, "0.7 %"), (120, "9 % too high")):
        seconds = 60.0 * minutes
        over = 100 * (math.sqrt(seconds / (seconds - 1200 + 2)) - 1)
        assert said in part
        assert float(said.split()[0]) == pytest.approx(over, abs=0.06 if minutes > 120 else 0.7)
