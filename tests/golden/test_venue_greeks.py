"""Our Black-76 against the greeks that the venue publishes, outside and inside the settlement window (C51, C43, E-11, E-18, E-20, E-54).

Recorded rows of the venue (12 and 13 April 2023), read in place and as they come: every eighth of the first rows of each file. The venue
prices Black-76 on the expiry's forward at its mark volatility, 365 days, no rate; it rounds volatility to 0.01 points and greeks to
1e-5. Inside the window it scales delta by the share of fixings left, and nothing else: there its greeks are not ours.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import zstandard

from pricers import Valuation, units, value_options

FILES = ["btc_2023-04-12", "btc_2023-04-13", "eth_2023-04-12", "eth_2023-04-13"]
N_LINES = 24_000
EVERY = 8
WINDOW_MS = 1_800_000
DAY_MS = 86_400_000


class Rows(NamedTuple):
    """Recorded rows as arrays."""

    options: dict[str, Any]
    """Arguments of ``value_options``: Black-76 at the row's mark volatility."""
    venue: dict[str, np.ndarray]
    index_price: np.ndarray
    left_ms: np.ndarray


def lines(shared: Path, name: str) -> Iterator[str]:
    """Lines of a recorded file, as they are decompressed."""
    with (shared / "data" / "deribit" / "chain-2023-04" / f"{name}.jsonl.zst").open("rb") as file:
        yield from io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file))


def left_ms(row: dict[str, Any]) -> float:
    """To 08:00 UTC of the day in the name: BTC-14APR23-43000-C."""
    expiry = datetime.strptime(row["instrument_name"].split("-")[1] + " 08+0000", "%d%b%y %H%z")
    return expiry.timestamp() * 1000 - float(row["timestamp"])


def table(raw: list[dict[str, Any]]) -> Rows:
    left = np.array([left_ms(row) for row in raw])
    names = [row["instrument_name"].split("-") for row in raw]
    options = {
        "forward": np.array([row["underlying_price"] for row in raw]),
        "strike": np.array([float(name[2]) for name in names]),
        "sigma": np.array([row["mark_iv"] for row in raw]) / 100,
        "option_sign": np.array([1.0 if name[3] == "C" else -1.0 for name in names]),
        "next_fixing_s": left / 1000,
        "interval_s": 0.0,
        "n_fixings": 1,
        "engine": "european",
    }
    venue = {
        name: np.array([row["greeks"][name] for row in raw]) for name in ("delta", "gamma", "vega", "theta", "rho")
    }
    return Rows(options, venue, np.array([row["index_price"] for row in raw]), left)


@pytest.fixture(scope="module")
def outside(shared: Path) -> Rows:
    """A bounded sample of the rows before their window."""
    raw = [json.loads(line) for name in FILES for line in itertools.islice(lines(shared, name), 0, N_LINES, EVERY)]
    return table([row for row in raw if left_ms(row) > WINDOW_MS and row["mark_iv"] > 0])


@pytest.fixture(scope="module")
def ours(outside: Rows) -> Valuation:
    return value_options(**outside.options)


def relative(ours: np.ndarray, venue: np.ndarray, is_seen: np.ndarray) -> np.ndarray:
    return np.abs(ours[is_seen] / venue[is_seen] - 1)


def test_delta_of_the_venue_is_ours(outside: Rows, ours: Valuation) -> None:
    error = np.abs(ours.delta - outside.venue["delta"])
    assert error.size > 10_000
    assert np.median(error) <= 1e-5
    # All of them: volatility is rounded to 0.01 points, |d delta / d sigma| <= 0.24 / sigma, and sigma here is above 0.25.
    assert error.max() <= 0.5e-5 + 0.5e-4 * 0.24 / 0.2


def test_vega_of_the_venue_is_ours(outside: Rows, ours: Valuation) -> None:
    is_seen = outside.venue["vega"] >= 0.01  # 1000 units of its last digit
    assert is_seen.sum() > 10_000
    assert np.median(relative(units.vega_usd_per_point(ours.vega), outside.venue["vega"], is_seen)) <= 1e-4


def test_gamma_of_the_venue_is_ours_rounded(outside: Rows, ours: Valuation) -> None:
    """Five decimals: half a unit, and the rounded volatility's part, which is large in the wings only (median and 99 %)."""
    error = np.abs(ours.gamma - outside.venue["gamma"])
    assert np.quantile(error, 0.99) <= 0.5e-5 * (1 + 1e-2)


def test_rho_of_the_venue_is_ours(outside: Rows, ours: Valuation) -> None:
    """E-78: index fixed, the forward moves with the rate; per 1 %."""
    is_seen = np.abs(outside.venue["rho"]) >= 0.01
    assert np.median(relative(units.rho_usd_per_pct(ours.rho), outside.venue["rho"], is_seen)) <= 1e-4


def test_theta_of_the_venue_is_ours_capped_at_the_price(outside: Rows, ours: Valuation) -> None:
    """A day's theta cannot be more than the option is worth, in or out of the money (more than a day left); ours is not capped."""
    theta = units.theta_usd_per_day(ours.theta_per_year)
    is_long = (outside.left_ms > DAY_MS) & (np.abs(outside.venue["theta"]) >= 0.01)
    assert np.any(-theta[is_long] > 1.1 * ours.price_usd[is_long])
    error = relative(np.maximum(theta, -ours.price_usd), outside.venue["theta"], is_long)
    assert np.median(error) <= 2e-4
    assert np.quantile(error, 0.99) <= 1e-2


def test_another_year_or_the_index_as_forward_would_not_do(outside: Rows) -> None:
    """What the tests above exclude, by a factor of five at least: 365.25 days (E-20) and the index in the forward's place (E-11)."""
    is_seen = outside.venue["vega"] >= 0.01
    year = value_options(**outside.options | {"next_fixing_s": outside.left_ms / 1000 * 365 / 365.25})
    index = value_options(**outside.options | {"forward": outside.index_price})
    for other in (year, index):
        assert np.median(relative(units.vega_usd_per_point(other.vega), outside.venue["vega"], is_seen)) > 5e-4
    assert np.median(np.abs(index.delta - outside.venue["delta"])) > 5e-5


def test_inside_the_window_the_venue_scales_delta_by_the_fixings_left_and_nothing_else(shared: Path) -> None:
    """Facts, E-01: 450 fixings of 4 s. Its gamma and vega stay European there, where the true gamma is sqrt(3) f times that."""
    expiring = (json.loads(line) for line in lines(shared, "btc_2023-04-13") if '"BTC-13APR23-' in line)
    rows = table([row for row in expiring if 0 < left_ms(row) <= WINDOW_MS])
    black = value_options(**rows.options)
    left = np.ceil(rows.left_ms / 4000)
    is_seen = np.abs(rows.venue["delta"]) >= 0.001
    assert is_seen.sum() > 50
    assert np.median(np.abs(black.delta * left / 450 - rows.venue["delta"])[is_seen]) <= 1e-5
    assert np.median(np.abs(black.delta * left / 300 - rows.venue["delta"])[is_seen]) > 0.05
    assert np.median(np.abs(black.delta - rows.venue["delta"])[is_seen]) > 0.05
    is_seen = rows.venue["vega"] >= 0.01
    assert is_seen.sum() > 10
    assert np.median(relative(units.vega_usd_per_point(black.vega), rows.venue["vega"], is_seen)) <= 1e-2
    assert np.median(relative(units.vega_usd_per_point(black.vega * left / 450), rows.venue["vega"], is_seen)) > 0.1
    is_seen = rows.venue["gamma"] >= 1e-4
    assert is_seen.sum() > 10
    assert np.median(relative(black.gamma, rows.venue["gamma"], is_seen)) <= 2e-2
    assert np.median(relative(black.gamma * left / 450, rows.venue["gamma"], is_seen)) > 0.1
