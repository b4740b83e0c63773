"""One word for the state of the market (DEFINITIONS 3.6), against thresholds that follow it.

Evaluated in this order, at low coverage ``unknown``:

    gamma_pin           a strike near the index, of an expiry within 24 h, with net dealer gamma above its percentile and > 0 (E-63)
    short_gamma_accel   NGI < 0, below its percentile or below -0.1 median hourly volume: dealers buy rallies, sell dips (E-62)
    vanna_squeeze       the typical hour's vol move forces twice the flow of its spot move
    charm_drift         what time alone forces until the next expiry is more than either
    long_gamma_damped   NGI > 0, above its percentile
    neutral

A label that stands is left a few percentiles later than it was taken up, and a new one must come up several times on end.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from pricers import units
from streams.flow.book import HOURS_PER_YEAR, Array, Book, Flags
from streams.flow.exposures import Exposures, Metric
from streams.flow.percentiles import RollingTable, percentiles
from streams.flow.settings import FlowSettings
from streams.flow.sources import is_low


class Scenario(StrEnum):
    """The labels."""

    UNKNOWN = "unknown"
    GAMMA_PIN = "gamma_pin"
    SHORT_GAMMA_ACCEL = "short_gamma_accel"
    VANNA_SQUEEZE = "vanna_squeeze"
    CHARM_DRIFT = "charm_drift"
    LONG_GAMMA_DAMPED = "long_gamma_damped"
    NEUTRAL = "neutral"


FLOW_TEXT = {
    Scenario.UNKNOWN: "too little of the open interest has greeks",
    Scenario.GAMMA_PIN: "dealers sell above the strike and buy below it",
    Scenario.SHORT_GAMMA_ACCEL: "dealers buy rallies and sell dips",
    Scenario.VANNA_SQUEEZE: "dealers' flow follows the vol",
    Scenario.CHARM_DRIFT: "dealers' flow follows the clock",
    Scenario.LONG_GAMMA_DAMPED: "dealers sell rallies and buy dips",
    Scenario.NEUTRAL: "no side dominates",
}
"""What the label says of the dealers."""


class Pin(NamedTuple):
    """A strike that the settlement may be drawn to."""

    expiry_ns: int
    strike: float
    gex_usd: float
    """Net dealer gamma there, of that expiry, USD per 1 %."""
    distance_sd: float
    """ln(S/K) over the standard deviation left."""


class Typical(NamedTuple):
    """What an hour and a day usually bring; None: not known yet."""

    spot_1h_pct: float | None = None
    """Median magnitude of the index's move in an hour, per cent."""
    vol_1h_points: float | None = None
    """The same of the vol, points."""
    adv_usd: float | None = None
    """Median 24-h volume of perpetuals and spot, USD."""


class ScenarioState(NamedTuple):
    """The label that is said, and the one that asks to be; samples of NGI and of gamma at the pin."""

    scenario: Scenario = Scenario.UNKNOWN
    candidate: Scenario = Scenario.UNKNOWN
    n_candidate: int = 0


class ScenarioTables(NamedTuple):
    """Histories that the thresholds are read from."""

    ngi_usd: RollingTable = RollingTable()
    pin_gex_usd: RollingTable = RollingTable()


class Reading(NamedTuple):
    """The label of one moment before hysteresis over publishes, with what it rests on."""

    scenario: Scenario
    pin: Pin | None
    is_warm: bool
    """Whether the histories are long enough for percentiles; if not, only the rules without them were tried."""
    is_material: bool | None
    """|NGI| is more than the settings' share of the median hourly volume; None: no volume known."""


class Delivery(NamedTuple):
    """What each option's delivery price is expected to be, (n,)."""

    mean: Array
    """The index; inside the window the fixings known, and the forward for the rest.  USD per coin."""
    deviation: Array
    """Of its logarithm: sigma sqrt(T); inside the window what is left, w sigma sqrt(mean of min(t_i, t_j)) of the fixings to
    come, w their share (DEFINITIONS 3.11)."""


def expected_delivery(book: Book) -> Delivery:
    """Mean and deviation of the delivery price of every option."""
    begun = (book.running_sums + (book.n_fixings - book.n_fixed) * book.forwards) / book.n_fixings
    mean = np.where(book.n_fixed > 0.0, begun, book.index_price)
    deviation = book.sigmas * np.sqrt(book.tau_years)
    for i in np.flatnonzero(book.n_fixed > 0.0).tolist():
        sd_usd = units.settlement_sd_usd(
            float(book.forwards[i]), float(book.sigmas[i]), int(book.n_fixings[i]), int(book.n_fixed[i]),
            float(book.next_fixing_s[i]), float(book.interval_s[i]),
        )  # fmt: skip
        deviation[i] = sd_usd / mean[i]
    return Delivery(mean, deviation)


def is_pin_risk(book: Book, delivery: Delivery, settings: FlowSettings) -> Flags:
    """(n,): expiry within 24 h and the strike within half a standard deviation of where it settles (C31)."""
    is_near = (book.tau_years > 0.0) & (book.tau_years * HOURS_PER_YEAR < settings.pin_hours)
    distance = np.abs(np.log(delivery.mean / book.strikes))
    return np.asarray(is_near & (distance < settings.pin_sd * delivery.deviation), dtype=np.bool_)


def strongest_pin(book: Book, exposures: Exposures, settings: FlowSettings) -> Pin | None:
    """The strike of an expiry, among those near enough, with the largest positive net dealer gamma; None: there is none."""
    gex = exposures.by_option[Metric.NGI]
    delivery = expected_delivery(book)
    near = np.flatnonzero(is_pin_risk(book, delivery, settings) & np.isfinite(gex))
    sums: dict[tuple[int, float], float] = {}
    for i in near.tolist():
        where = (int(book.expiry_ns[i]), float(book.strikes[i]))
        sums[where] = sums.get(where, 0.0) + float(gex[i])
    (expiry_ns, strike), net = max(sums.items(), key=lambda item: (item[1], item[0]), default=((0, 0.0), 0.0))
    if not net > 0.0:
        return None
    i = next(i for i in near.tolist() if book.expiry_ns[i] == expiry_ns and book.strikes[i] == strike)
    distance = math.log(float(delivery.mean[i]) / strike) / float(delivery.deviation[i])
    return Pin(expiry_ns, strike, net, distance)


def read_scenario(
    book: Book,
    exposures: Exposures,
    tables: ScenarioTables,
    typical: Typical,
    settings: FlowSettings,
    standing: Scenario = Scenario.UNKNOWN,
) -> Reading:
    """The label of this moment; ``standing`` is the one that is said now, whose thresholds are a few percentiles laxer."""
    pin = strongest_pin(book, exposures, settings)
    ngi = exposures.totals.ngi_usd
    at_ngi = _thresholds(tables.ngi_usd, book.now_ns, standing, settings)
    at_pin = _thresholds(tables.pin_gex_usd, book.now_ns, standing, settings)
    hourly = None if typical.adv_usd is None else settings.short_volume_ratio * typical.adv_usd / 24.0
    is_material = None if ngi is None or hourly is None else abs(ngi) > hourly
    is_warm = at_ngi is not None
    if ngi is None or is_low(exposures.coverage, settings):
        return Reading(Scenario.UNKNOWN, pin, is_warm, is_material)
    spot, vol, drift = _forces(book, exposures, typical)
    if pin is not None and at_pin is not None and pin.gex_usd > at_pin.pin:
        found = Scenario.GAMMA_PIN
    elif ngi < 0.0 and ((at_ngi is not None and ngi < at_ngi.short) or (hourly is not None and ngi < -hourly)):
        found = Scenario.SHORT_GAMMA_ACCEL
    elif vol is not None and spot is not None and vol > settings.squeeze_ratio * spot:
        found = Scenario.VANNA_SQUEEZE
    elif drift is not None and vol is not None and spot is not None and drift > max(spot, vol):
        found = Scenario.CHARM_DRIFT
    elif ngi > 0.0 and at_ngi is not None and ngi > at_ngi.long:
        found = Scenario.LONG_GAMMA_DAMPED
    else:
        found = Scenario.NEUTRAL
    return Reading(found, pin, is_warm, is_material)


class _Thresholds(NamedTuple):
    pin: float
    short: float
    long: float


def _thresholds(table: RollingTable, now_ns: int, standing: Scenario, settings: FlowSettings) -> _Thresholds | None:
    """Levels of the three percentile rules, the standing label's moved towards the middle."""
    gap = settings.percentile_gap_pct
    found = percentiles(
        table, now_ns,
        (
            settings.pin_pct - (gap if standing == Scenario.GAMMA_PIN else 0.0),
            settings.short_pct + (gap if standing == Scenario.SHORT_GAMMA_ACCEL else 0.0),
            settings.long_pct - (gap if standing == Scenario.LONG_GAMMA_DAMPED else 0.0),
        ),
        settings,
    )  # fmt: skip
    return None if found is None else _Thresholds(float(found[0]), float(found[1]), float(found[2]))


def _forces(book: Book, exposures: Exposures, typical: Typical) -> tuple[float | None, float | None, float | None]:
    """Flows, USD: of a typical hour's spot move and vol move, and of time until the next expiry (24 h at most)."""
    totals = exposures.totals
    spot = vol = drift = None
    if totals.ngi_usd is not None and typical.spot_1h_pct is not None:
        spot = abs(totals.ngi_usd * typical.spot_1h_pct)
    if totals.vss_usd is not None and typical.vol_1h_points is not None:
        vol = abs(totals.vss_usd * typical.vol_1h_points)
    if totals.chl_24h_usd is not None and book.tau_years.size:
        hours = min(24.0, float(book.tau_years.min()) * HOURS_PER_YEAR)
        drift = abs(totals.chl_24h_usd) * hours / 24.0
    return spot, vol, drift


def step_scenario(state: ScenarioState, reading: Reading, settings: FlowSettings) -> ScenarioState:
    """Take in one reading: a new label is said after it came up several times on end; low coverage is said at once."""
    found = reading.scenario
    if found == state.scenario:
        return ScenarioState(found, found, 0)
    if Scenario.UNKNOWN in (found, state.scenario):
        return ScenarioState(found, found, 0)
    n_on_end = state.n_candidate + 1 if found == state.candidate else 1
    if n_on_end >= settings.label_publishes:
        return ScenarioState(found, found, 0)
    return ScenarioState(state.scenario, found, n_on_end)
