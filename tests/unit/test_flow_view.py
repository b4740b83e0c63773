"""What the commands of dealer flow show: signs, units, dashes for what is not known, and an export that other tools read."""

from __future__ import annotations

import csv
import io
import itertools
import random
from typing import Any

import pytest
from click.testing import CliRunner

from schemas import Flow, FlowPressure, FlowStrike
from streams import topics
from streams.cli import flow_view, main
from streams.cli.flow_records import NoFlow, elsewhere, of_currency
from streams.cli.flow_view import Picture
from streams.flow.fold import new_state, step
from tests.flow_log import CONTEXT, interleaved, lanes


@pytest.fixture(scope="module")
def picture() -> Picture:
    """Of a fold with trades, past an expiry."""
    state, out = new_state(CONTEXT), []
    for arrival in interleaved(lanes(3, 22), random.Random(1)):
        state, records = step(state, arrival, CONTEXT)
        out += records
    flows = [record for record in out if isinstance(record, Flow) and record.currency == "BTC"]
    cells: list[Any] = [record for record in out if isinstance(record, FlowStrike) and record.currency == "BTC"]
    last_ns = max(cell.ts_event_ns for cell in cells)
    wide = next(record for record in reversed(flows) if record.ladder)
    return Picture(flows[-1], wide, [cell for cell in cells if cell.ts_event_ns == last_ns])


def test_the_picture_says_what_it_rests_on(picture: Picture) -> None:
    """Every chart: unit, sign convention, side model, as-of time, coverage."""
    text = flow_view.text(picture)
    flow = picture.flow
    for words in (
        flow.side_model,
        flow.greeks_source,
        "numeraire usd",
        "side seen",
        "final",
        flow.scenario,
        flow.regime,
    ):
        assert words in text, words
    assert all(f"! {warning}" in text for warning in flow.warnings)
    assert "+ = dealers buy" in text and "assumed" in text and "trades" in text


def test_the_profile_has_the_index_the_flips_and_every_step(picture: Picture) -> None:
    assert picture.wide is not None
    lines = flow_view.profile(picture.wide).splitlines()
    assert sum("<- index" in line for line in lines) == 1
    near = [
        level for level in picture.wide.flips[0].levels if abs(level.level_usd / picture.wide.index_price - 1) < 0.14
    ]
    assert sum("--- flip" in line for line in lines) == len(near)
    assert sum("|" in line for line in lines) >= 3  # the grid of this fold's settings is coarse


def test_the_profile_is_of_the_record_that_the_flips_are_of(picture: Picture) -> None:
    """Its sign changes lie where the flips are."""
    assert picture.wide is not None
    points = [(p.level_usd, p.gamma_usd or 0.0) for p in picture.wide.profile]
    changes = [(a, b) for (a, x), (b, y) in itertools.pairwise(points) if x * y < 0]
    for low, high in changes:
        assert any(low <= level.level_usd <= high for level in picture.wide.flips[0].levels)


def test_strikes_are_summed_over_expiries(picture: Picture) -> None:
    lines = flow_view.by_strike(picture.strikes).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["90,000", "100,000", "110,000"]


@pytest.mark.parametrize(("value", "side"), [(-5.0, "left"), (5.0, "right"), (0.0, ""), (None, "")])
def test_a_bar_goes_to_its_sign(value: float | None, side: str) -> None:
    left, right = flow_view.bar(value, 5.0).split("|")
    assert ("#" in left, "#" in right) == (side == "left", side == "right")
    assert len(left) == len(right) == flow_view.BAR_WIDTH // 2


def test_what_is_not_known_is_a_dash_and_not_a_zero(picture: Picture) -> None:
    bare = picture.flow._replace(exposures=tuple(item._replace(ngi_usd=None) for item in picture.flow.exposures))
    assert "+0.00M" not in flow_view.exposures(bare).splitlines()[1].split()[3]
    assert flow_view.usd(None) == flow_view.price(None) == flow_view.share(None) == "-"


def test_the_picture_has_each_horizons_pressure_with_its_share_and_its_percentile(picture: Picture) -> None:
    """J5: beside the amount, what it is of a day's volume and where it stands among the last thirty days'."""
    known = FlowPressure(5.0, 0.1, None, -12.3e6, -12.0e6, None, -0.3e6, -0.0615, 97.2)
    unknown = FlowPressure(60.0, None, None, None, None, None, None)
    lines = flow_view.pressure(picture.flow._replace(realised=(known, unknown))).splitlines()
    assert lines[1].split() == ["5", "min", "-12.30M", "-12.00M", "-", "-0.30M", "-0.061", "%", "97"]
    assert lines[2].split() == ["60", "min", *"------"]
    assert len({len(line) for line in lines}) == 1, "columns under their heads"
    assert flow_view.pressure(picture.flow) in flow_view.text(picture)


def test_the_export_has_a_row_a_level_and_says_what_it_rests_on(picture: Picture) -> None:
    """Levels export: index, flips with band, walls, max pain."""
    rows = list(csv.DictReader(io.StringIO(flow_view.as_csv([picture.flow]))))
    kinds = [row["kind"] for row in rows]
    assert kinds[0] == "index" and len(set(kinds)) == len(kinds)
    assert {"magnet", "oi_wall"} <= set(kinds) and any(kind.startswith("max_pain_2026") for kind in kinds)
    for row in rows:
        assert row["symbol"] == "BTCUSD" and float(row["price_usd"]) > 0.0 and row["is_final"] == "true"
        assert row["side_model"] == picture.flow.side_model and row["time_utc"].startswith("2026-03-27T08:00:")
    primary = picture.flow.flips[0]
    if primary.primary_usd is not None:
        flip = next(row for row in rows if row["kind"].startswith("flip_to_"))
        assert float(flip["price_usd"]) == pytest.approx(primary.primary_usd, rel=1e-9)
        assert float(flip["band_low_usd"]) < float(flip["band_high_usd"])


def test_the_line_is_pairs_of_name_and_price(picture: Picture) -> None:
    symbol, _, rest = flow_view.as_line(picture.flow).partition(": ")
    words = rest.split(", ")
    assert symbol == "BTCUSD" and len(words) == 2 * len(flow_view.levels(picture.flow))
    assert all(float(value) > 0 for value in words[1::2])


def test_one_who_forgets_the_namespace_is_told_which_there_are() -> None:
    names = ["demo.flow.v1", "sim.flow.v1", "sim.flow.v1.again", "old.flow.strikes.v1", "somebody.elses", "flow"]
    assert elsewhere(names[:2], topics.FLOW) == ", or ask with --namespace demo or --namespace sim: there is one"
    assert elsewhere(names[1:], topics.FLOW_STRIKES) == ", or ask with --namespace old: there is one"
    assert elsewhere(names[2:], topics.FLOW) == ""
    assert elsewhere(["flow.v1"], topics.FLOW) == ", or ask with no --namespace: there is one"


def test_a_currency_without_records_says_which_there_are(picture: Picture) -> None:
    with pytest.raises(NoFlow, match="records of BTC"):
        of_currency({"BTC": [picture.flow]}, "SOL", "sim")


@pytest.mark.parametrize("name", ["flow", "levels", "flow-service"])
def test_help_says_what_why_and_an_example(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0 and f"Example: greekstream {name}" in done.output
