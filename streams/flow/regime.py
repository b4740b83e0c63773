"""The regime of dealer gamma with hysteresis, and the freeze of levels before an expiry.  Pure folds over publishes."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from streams.flow.flips import Flips, FlipStatus
from streams.flow.settings import FlowSettings

NS_PER_S = 1_000_000_000
Levels = TypeVar("Levels")


class Regime(StrEnum):
    """The sign of dealer gamma at the index."""

    UNKNOWN = "unknown"
    LONG_GAMMA = "long_gamma"
    """Dealers sell rallies and buy dips."""
    SHORT_GAMMA = "short_gamma"
    """Dealers buy rallies and sell dips."""


class RegimeState(NamedTuple):
    """The regime that is said, and the one that asks to be."""

    regime: Regime = Regime.UNKNOWN
    candidate: Regime = Regime.UNKNOWN
    n_candidate: int = 0
    """Publishes on end at which the candidate came up."""


def observed_regime(flips: Flips) -> Regime:
    """The sign of G at the index; UNKNOWN at low coverage."""
    gamma = flips.gamma_at_index_usd
    if flips.status == FlipStatus.LOW_COVERAGE or gamma is None or gamma == 0.0:
        return Regime.UNKNOWN
    return Regime.LONG_GAMMA if gamma > 0.0 else Regime.SHORT_GAMMA


def step_regime(state: RegimeState, flips: Flips, index_price: float, settings: FlowSettings) -> RegimeState:
    """Take in one publish: the regime changes at once where the index is outside the flip's band, else after N on end.

    At low coverage what was said last stands.
    """
    observed = observed_regime(flips)
    if observed in (Regime.UNKNOWN, state.regime):
        return state._replace(candidate=state.regime, n_candidate=0)
    n_on_end = state.n_candidate + 1 if observed == state.candidate else 1
    band = flips.band_usd
    is_outside = (band is None and flips.primary is None) or (
        band is not None and not band.low <= index_price <= band.high
    )
    if state.regime == Regime.UNKNOWN or is_outside or n_on_end >= settings.regime_publishes:
        return RegimeState(observed, observed, 0)
    return RegimeState(state.regime, observed, n_on_end)


class Frozen(NamedTuple, Generic[Levels]):
    """Levels as they were when a freeze began."""

    levels: Levels | None = None
    expiry_ns: int | None = None
    """The expiry they are frozen for; None: they are not."""


def step_freeze(
    frozen: Frozen[Levels], now_ns: int, next_expiry_ns: int | None, levels: Levels, settings: FlowSettings
) -> tuple[Frozen[Levels], Levels, tuple[str, ...]]:
    """The state, the levels to publish, and the warnings that go with them (J9).

    From ``freeze_s`` before the next expiry to the expiry the last levels of before are published; with none of before, today's.
    """
    left_s = None if next_expiry_ns is None else (next_expiry_ns - now_ns) / NS_PER_S
    if left_s is None or not 0.0 <= left_s <= settings.freeze_s:
        return Frozen(levels, None), levels, ()
    kept = levels if frozen.levels is None else frozen.levels
    warning = f"levels are frozen: expiries roll off in {left_s:.0f} s and distort them"
    return Frozen(kept, next_expiry_ns), kept, (warning,)
