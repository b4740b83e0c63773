"""Hedge pressure: what dealers must trade when spot, vol and time move.  USD, + = dealers buy, - = dealers sell (E-62).

    ladder      HPP(r, v, h) = -S sum D m (delta after the moves - delta now), by full repricing
    realised    HPP = -(NGI r + VSS v + CHL h),     r in per cent, v in vol points, h in days: over the last minutes, NGI and VSS of
                their begin, and for time what time has done (charm's CHL h, where an option has more than a day left)

The fixings of the time passed are taken at the moved forward, so that inside the window the delta that expires at each of them is in
it (E-76); an option that has ended has delta 0.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple, TypeVar

import numpy as np

from pricers import scenarios
from streams.flow.book import Array, Book
from streams.flow.exposures import DAYS_PER_YEAR, Exposures, Metric
from streams.flow.repricing import repriced
from streams.flow.settings import FlowSettings
from streams.flow.sources import Coverage, Label, coverage_of, label_of

Amount = TypeVar("Amount", float, Array)

S_PER_HOUR = 3_600.0
S_PER_MINUTE = 60.0
S_PER_DAY = 86_400.0
NS_PER_S = 1_000_000_000


class Ladder(NamedTuple):
    """Projected hedge pressure over a grid of moves."""

    label: Label
    coverage: Coverage
    spot_pct: Array
    """(n_r,), ascending, 0 among them."""
    vol_points: Array
    """(n_v,), likewise."""
    hours: Array
    """(n_h,)"""
    hpp_usd: Array
    """(n_h, n_v, n_r), + = dealers buy."""
    hpp_pct_adv: Array | None
    """The same, per cent of the average daily volume; None: no volume known."""


class OnePct(NamedTuple):
    """The local number and the exact ones: near a flip they are far apart (DEFINITIONS 3.2)."""

    gex_1pct_local_usd: float | None
    """NGI: what the dealers' delta would change by at constant gamma."""
    hedge_1pct_up_usd: float | None
    """What they trade at +1 %, + = buy."""
    hedge_1pct_down_usd: float | None
    """... and at -1 %."""


class Move(NamedTuple):
    """How spot, vol and time have moved."""

    spot_pct: float
    vol_points: float
    days: float


def both_ways(steps: tuple[float, ...]) -> Array:
    """Steps down and up, and none."""
    return np.unique(np.concatenate([-np.asarray(steps), [0.0], np.asarray(steps)]))


def pct_of_adv(hpp_usd: Amount, adv_usd: float | None) -> Amount | None:
    """Per cent of the median 24-h volume, signed as the pressure is; None without a volume."""
    return 100.0 * hpp_usd / adv_usd if adv_usd is not None and adv_usd > 0.0 else None


def ladder(
    book: Book,
    settings: FlowSettings,
    source: str | None = None,
    numeraire: str | None = None,
    adv_usd: float | None = None,
) -> Ladder:
    """Projected hedge pressure of every move of the settings' grid."""
    source = source if source is not None else settings.greeks_source
    numeraire = numeraire if numeraire is not None else settings.numeraire
    spot, vol = both_ways(settings.ladder_spot_pct), both_ways(settings.ladder_vol_points)
    hours = np.array(settings.ladder_hours)
    hpp, coverage = _flows(book, settings, (source, numeraire), (spot, vol, hours))
    return Ladder(
        label_of(book, source, numeraire, settings), coverage, spot, vol, hours, hpp,
        pct_of_adv(hpp, adv_usd),
    )  # fmt: skip


def _flows(
    book: Book, settings: FlowSettings, which: tuple[str, str], axes: tuple[Array, Array, Array]
) -> tuple[Array, Coverage]:
    """-S times the change of the book's delta, (n_h, n_v, n_r); nan without any option."""
    source, numeraire = which
    spot_pct, vol_points, hours = axes
    it = repriced(book, source, numeraire, settings)
    now = scenarios.delta_ladder(it.options, it.position_coin, [1.0], [0.0], [0.0])[0, 0, 0]
    after = scenarios.delta_ladder(
        it.options, it.position_coin, 1.0 + spot_pct / 100.0, vol_points / 100.0, hours * S_PER_HOUR
    )
    flows = -book.index_price * (after - now)
    return (flows if it.usable.any() else np.full_like(flows, np.nan)), coverage_of(book, it.usable)


def one_pct(
    book: Book, exposures: Exposures, settings: FlowSettings, source: str | None = None, numeraire: str | None = None
) -> OnePct:
    """Local gamma beside what one per cent up and down really makes the dealers trade."""
    which = (source or settings.greeks_source, numeraire or settings.numeraire)
    flows, _ = _flows(book, settings, which, (np.array([-1.0, 1.0]), np.zeros(1), np.zeros(1)))
    down, up = (float(flow) if math.isfinite(flow) else None for flow in flows[0, 0])
    return OnePct(exposures.totals.ngi_usd, up, down)


class PressureBase(NamedTuple):
    """What the realised hedge pressure needs of a moment, kept until its horizons have passed."""

    ts_ns: int
    index_price: float
    vol: float | None
    """The vol that moves are measured in (DVOL, or at the money), fraction."""
    ngi_usd: float | None
    vss_usd: float | None
    decay_usd: tuple[float | None, ...]
    """Change of the dealers' delta, valued at S, by time alone over each of the settings' ``realised_minutes``."""


def pressure_base(
    book: Book,
    exposures: Exposures,
    vol: float | None,
    settings: FlowSettings,
    source: str | None = None,
    numeraire: str | None = None,
) -> PressureBase:
    """The base of this moment.  Time: charm where more than a day is left, else repricing with the fixings taken."""
    source = source or settings.greeks_source
    numeraire = numeraire or settings.numeraire
    it = repriced(book, source, numeraire, settings)
    is_near = it.tau_years * DAYS_PER_YEAR < 1.0
    # In C order, which the ladder is compiled for at the start: another layout would cost the service seconds at its first base.
    near, held = np.ascontiguousarray(it.options[:, is_near]), it.position_coin[is_near]
    now = scenarios.delta_ladder(near, held, [1.0], [0.0], [0.0])[0, 0, 0]
    seconds = np.array(settings.realised_minutes) * S_PER_MINUTE
    after = scenarios.delta_ladder(near, held, [1.0], [0.0], seconds)[:, 0, 0]
    charm = exposures.by_option[Metric.CHL_24H]
    far = charm[np.isfinite(charm) & (book.tau_years * DAYS_PER_YEAR >= 1.0)]
    decay = book.index_price * (after - now) + float(far.sum()) * seconds / S_PER_DAY
    has_any = bool(is_near.any() or far.size)
    totals = exposures.totals
    return PressureBase(
        book.now_ns, book.index_price, vol, totals.ngi_usd, totals.vss_usd,
        tuple(float(change) if has_any else None for change in decay),
    )  # fmt: skip


class Realised(NamedTuple):
    """Realised hedge pressure over one horizon."""

    minutes: float
    move: Move | None
    """None: no state of the horizon's begin is known."""
    hpp_usd: float | None
    """+ = dealers bought."""
    spot_usd: float | None
    """Its parts: through gamma, ..."""
    vol_usd: float | None
    """... through vanna (None without a vol: then it is left out of the sum), ..."""
    time_usd: float | None
    """... and through time."""
    hpp_pct_adv: float | None = None
    """hpp_usd, per cent of the average daily volume (``normalised``); None: no volume known."""
    hpp_percentile: float | None = None
    """Where its magnitude stands in its horizon's history, 0 to 100 (``normalised``); None: too short a history."""


class PressureLog(NamedTuple):
    """Bases of the last hour, oldest first; one a publish."""

    bases: tuple[PressureBase, ...] = ()


def step_pressure(
    log: PressureLog, base: PressureBase, settings: FlowSettings
) -> tuple[PressureLog, tuple[Realised, ...]]:
    """Take in the newest base and read off every horizon.  A base that is not newer than the last replaces nothing."""
    bases = log.bases
    if not bases or base.ts_ns > bases[-1].ts_ns:
        reach_ns = int((max(settings.realised_minutes) * S_PER_MINUTE + settings.realised_lag_s) * NS_PER_S)
        first = next((i for i, old in enumerate(bases) if old.ts_ns >= base.ts_ns - reach_ns), len(bases))
        bases = (*bases[first:], base)
    results = tuple(
        _realised(bases, base, minutes, place, settings) for place, minutes in enumerate(settings.realised_minutes)
    )
    return PressureLog(bases), results


def _realised(
    bases: tuple[PressureBase, ...], now: PressureBase, minutes: float, place: int, settings: FlowSettings
) -> Realised:
    begin_ns = now.ts_ns - int(minutes * S_PER_MINUTE * NS_PER_S)
    place_then = bisect_right(bases, begin_ns, key=lambda base: base.ts_ns) - 1
    if place_then < 0 or bases[place_then].ts_ns < begin_ns - int(settings.realised_lag_s * NS_PER_S):
        return Realised(minutes, None, None, None, None, None)
    then = bases[place_then]
    has_vol = then.vol is not None and now.vol is not None
    move = Move(
        100.0 * (now.index_price / then.index_price - 1.0),
        100.0 * (now.vol - then.vol) if then.vol is not None and now.vol is not None else 0.0,
        minutes / (24.0 * 60.0),
    )
    spot = None if then.ngi_usd is None else -then.ngi_usd * move.spot_pct
    vol = None if then.vss_usd is None or not has_vol else -then.vss_usd * move.vol_points
    decay = then.decay_usd[place]
    time = None if decay is None else -decay
    parts = [part for part in (spot, vol, time) if part is not None]
    return Realised(minutes, move, sum(parts) if spot is not None else None, spot, vol, time)
