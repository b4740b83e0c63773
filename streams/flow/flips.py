"""Where total dealer gamma changes sign over spot (DEFINITIONS 3.4): all of its zeros, not the first change along the strikes (E-64).

    G(x) = sum D m gamma(F x/S, sigma(x)) x² · 0.01,     USD per 1 %, on S · [0.70, 1.30] and every strike in it

Each bracket is refined by Brent's method (pricers.scenarios).  ``primary`` is the zero nearest to the index.  The band comes from the
same search on every draw of the positions, between levels by linear interpolation.  Whole-book, ex-next-expiry and 0-7 d variants are
sums of the same rows.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers import scenarios
from streams.flow.book import Array, Book
from streams.flow.exposures import PER_PCT, Band, band_of
from streams.flow.repricing import Repriced, repriced
from streams.flow.settings import FlowSettings
from streams.flow.sources import Coverage, Label, coverage_of, is_low, label_of

DAYS_PER_YEAR = 365.0
OPTIONS_AT_ONCE = 256
"""Whose gammas, half a megabyte, stay near the processor, and in memory that the process has already: new pages cost a tenth of all."""


class SmileRule(StrEnum):
    """What the vols do when spot moves."""

    STICKY_STRIKE = "sticky_strike"
    """Each strike keeps its vol: the default."""
    STICKY_MONEYNESS = "sticky_moneyness"
    """Each ln(K/F) keeps its vol."""


class Variant(StrEnum):
    """Which expiries are in the sum."""

    ALL = "all"
    EX_NEXT_EXPIRY = "ex_next_expiry"
    NEAR = "near"
    """0-7 d."""


class FlipStatus(StrEnum):
    """Whether there is a flip, and if not, why."""

    OK = "ok"
    NONE_ALL_LONG = "none_all_long"
    NONE_ALL_SHORT = "none_all_short"
    LOW_COVERAGE = "low_coverage"
    """Too little of the open interest has greeks; flips found nevertheless are listed."""


class Flip(NamedTuple):
    """A zero of the profile."""

    level_usd: float
    to_long: bool
    """With spot rising through it the dealers' gamma becomes positive."""


class Flips(NamedTuple):
    """Zeros of one profile."""

    label: Label
    smile_rule: SmileRule
    variant: Variant
    status: FlipStatus
    flips: tuple[Flip, ...]
    """Ascending."""
    primary: Flip | None
    flip_pct: float | None
    """100 (primary / S - 1)."""
    band_usd: Band | None
    """Of the primary flip over the draws that have one; None: no draws."""
    n_draws: int
    gamma_at_index_usd: float | None
    """G(S): the sign of the regime."""
    coverage: Coverage


class Profile(NamedTuple):
    """Dealer gamma over spot of one variant and smile rule."""

    levels_usd: Array
    """(m,) ascending: grid and strikes."""
    gamma_usd: Array
    """(m,): G, USD per 1 %."""
    draws_usd: npt.NDArray[np.float32]
    """(n_draws, m), float32."""


class FlipSet(NamedTuple):
    """Flips and profiles of one source and numeraire by (smile rule, variant)."""

    flips: dict[tuple[SmileRule, Variant], Flips]
    profiles: dict[tuple[SmileRule, Variant], Profile]
    smile_gap_pct: float | None
    """Distance of the whole book's primary flips under the two smile rules, per cent of the index."""
    smile_rules_differ: bool
    """Whether that is more than the settings allow: then both belong in every report."""


def spot_ratios(book: Book, settings: FlowSettings) -> Array:
    """Levels of the profile over the index: the grid and the strikes inside it, ascending."""
    n_steps = round((settings.profile_high_ratio - settings.profile_low_ratio) / settings.profile_step_ratio)
    grid = np.linspace(settings.profile_low_ratio, settings.profile_high_ratio, n_steps + 1)
    strikes = book.strikes / book.index_price
    inside = strikes[(strikes > settings.profile_low_ratio) & (strikes < settings.profile_high_ratio)]
    return np.unique(np.concatenate([grid, inside]))


def flip_set(
    book: Book,
    settings: FlowSettings,
    source: str | None = None,
    numeraire: str | None = None,
    *,
    with_bands: bool = True,
    rules: tuple[SmileRule, ...] = tuple(SmileRule),
) -> FlipSet:
    """Flips of every smile rule and variant; source and numeraire from the settings unless said."""
    source = source if source is not None else settings.greeks_source
    numeraire = numeraire if numeraire is not None else settings.numeraire
    with_smiles = SmileRule.STICKY_MONEYNESS in rules
    it = repriced(book, source, numeraire, settings, with_smiles=with_smiles, with_draws=with_bands)
    ratios = spot_ratios(book, settings)
    label = label_of(book, source, numeraire, settings)
    coverage = coverage_of(book, it.usable)
    members = {variant: _members(it, variant, settings) for variant in Variant}
    flips: dict[tuple[SmileRule, Variant], Flips] = {}
    profiles: dict[tuple[SmileRule, Variant], Profile] = {}
    for rule in rules:
        smiles = scenarios.NO_SMILES if rule == SmileRule.STICKY_STRIKE else it.smiles
        for variant, profile in _profiles(book, it, ratios, smiles, members, with_bands).items():
            sums, weights = _sums(it, smiles, members[variant])
            profiles[rule, variant] = profile
            flips[rule, variant] = _flips(book, profile, sums, weights, (label, coverage, rule, variant), settings)
    gap = _smile_gap_pct(flips, book.index_price)
    return FlipSet(flips, profiles, gap, gap is not None and gap > settings.smile_gap_pct)


def _sums(it: Repriced, smiles: scenarios.Tables, inside: np.ndarray) -> tuple[scenarios.GammaSum, Array]:
    """The gamma of a variant's options as a function of spot, and their weights: what is not in it is not valued again and again."""
    smile_of = smiles.smile_of[inside] if smiles.smile_of.size else smiles.smile_of
    options = np.ascontiguousarray(it.options[:, inside])
    return scenarios.GammaSum(options, smiles._replace(smile_of=smile_of)), it.position_coin[inside]


def _members(it: Repriced, variant: Variant, settings: FlowSettings) -> np.ndarray:
    if variant == Variant.EX_NEXT_EXPIRY and it.expiry_ns.size:
        return np.asarray(it.expiry_ns != it.expiry_ns.min())
    if variant == Variant.NEAR:
        return np.asarray(it.tau_years * DAYS_PER_YEAR <= settings.near_days)
    return np.ones(it.expiry_ns.size, dtype=np.bool_)


def _profiles(
    book: Book,
    it: Repriced,
    ratios: Array,
    smiles: scenarios.Tables,
    members: dict[Variant, np.ndarray],
    with_bands: bool,
) -> dict[Variant, Profile]:
    """Profiles of the variants: each option's gamma once, summed in groups of which every variant is a sum."""
    to_usd = (ratios * book.index_price) ** 2 * PER_PCT
    levels = ratios * book.index_price
    n_draws = it.draws_coin.shape[0] if with_bands else 0
    point = {variant: np.zeros(ratios.size) for variant in members}
    drawn = {variant: np.zeros((n_draws, ratios.size), dtype=np.float32) for variant in members}
    # options are ordered by expiry, so those that are in the same variants come together
    codes = np.sum([members[variant].astype(np.int64) << bit for bit, variant in enumerate(members)], axis=0)
    bounds: list[int] = []
    if ratios.size and codes.size:
        bounds = np.flatnonzero(np.diff(codes, prepend=-1, append=-1)).tolist()
    for begin, end in pairwise(bounds):
        sums, draws = _group_sums(it, ratios, smiles, range(begin, end), n_draws)
        for bit, variant in enumerate(members):
            if codes[begin] >> bit & 1:
                point[variant] += sums
                drawn[variant] += draws
    single = to_usd.astype(np.float32)
    return {variant: Profile(levels, point[variant] * to_usd, drawn[variant] * single) for variant in members}


def _group_sums(
    it: Repriced, ratios: Array, smiles: scenarios.Tables, group: range, n_draws: int
) -> tuple[Array, npt.NDArray[np.float32]]:
    """Gamma of a group's options at each level by the positions (m,) and by each draw (n_draws, m); a few options at a time."""
    sums, draws = np.zeros(ratios.size), np.zeros((n_draws, ratios.size), dtype=np.float32)
    for begin in range(group.start, group.stop, OPTIONS_AT_ONCE):
        few = slice(begin, min(begin + OPTIONS_AT_ONCE, group.stop))
        rules = smiles._replace(smile_of=smiles.smile_of[few]) if smiles.smile_of.size else smiles
        gamma = scenarios.gamma_profile(np.ascontiguousarray(it.options[:, few]), ratios, rules)
        sums += scenarios.weighted_sums(it.position_coin[None, few], gamma)[0]
        if n_draws:
            draws += scenarios.weighted_sums_single(it.draws_coin[:, few], gamma)
    return sums, draws


def _flips(
    book: Book,
    profile: Profile,
    sums: scenarios.GammaSum,
    weights: Array,
    what: tuple[Label, Coverage, SmileRule, Variant],
    settings: FlowSettings,
) -> Flips:
    label, coverage, rule, variant = what
    s = book.index_price
    to_usd = s * s * PER_PCT
    found = []
    for left, right in scenarios.sign_changes(profile.gamma_usd, settings.lobe_share):
        low, high = float(profile.levels_usd[left]) / s, float(profile.levels_usd[right]) / s
        # G over x² 0.01: the sum itself, in its own unit, whose values at the ends are known
        ends = float(profile.gamma_usd[left]) / (low**2 * to_usd), float(profile.gamma_usd[right]) / (high**2 * to_usd)
        level = s * sums.root(weights, (low, high), ends, settings.flip_tolerance_ratio)
        found.append(Flip(level, bool(profile.gamma_usd[right] > 0.0)))
    primary = min(found, key=lambda flip: (abs(flip.level_usd - s), flip.level_usd), default=None)
    n_draws = profile.draws_usd.shape[0]
    return Flips(
        label,
        rule,
        variant,
        _status(profile.gamma_usd, found, coverage, settings),
        tuple(found),
        primary,
        None if primary is None else 100.0 * (primary.level_usd / s - 1.0),
        primary_band(profile, s, settings) if n_draws else None,
        n_draws,
        sums.at(weights, 1.0) * to_usd if weights.size else None,
        coverage,
    )


def _status(gamma: Array, found: list[Flip], coverage: Coverage, settings: FlowSettings) -> FlipStatus:
    if is_low(coverage, settings):
        return FlipStatus.LOW_COVERAGE
    if found:
        return FlipStatus.OK
    total = float(gamma.sum())
    if total == 0.0:
        return FlipStatus.LOW_COVERAGE
    return FlipStatus.NONE_ALL_LONG if total > 0.0 else FlipStatus.NONE_ALL_SHORT


def primary_band(profile: Profile, index_price: float, settings: FlowSettings) -> Band | None:
    """Quantiles of the draws' primary flips, never narrower than one step of the grid."""
    levels = scenarios.nearest_zeros(profile.levels_usd, profile.draws_usd, index_price, settings.lobe_share)
    band = band_of(levels, settings)
    if band is None:
        return None
    half = 0.5 * max(band.high - band.low, settings.profile_step_ratio * index_price)
    middle = 0.5 * (band.low + band.high)
    return Band(middle - half, middle + half, band.n_draws)


def _smile_gap_pct(flips: dict[tuple[SmileRule, Variant], Flips], index_price: float) -> float | None:
    primaries = [flips[rule, Variant.ALL].primary for rule in SmileRule if (rule, Variant.ALL) in flips]
    if len(primaries) < 2 or any(flip is None for flip in primaries):
        return None
    levels = [flip.level_usd for flip in primaries if flip is not None]
    return 100.0 * abs(levels[0] - levels[1]) / index_price
