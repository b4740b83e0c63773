"""The read-out: positions, draws of them, and how much of the market they rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import OptionType

from .chances import model
from .moves import Floats
from .settings import NAIVE_MODELS, SideModel, SideSettings
from .settle import current_draws
from .state import Holding, SideState, Start


class Positions(NamedTuple):
    """Dealers' net positions, + = dealers long.  Arrays over ``names``; nan where the open interest is not known."""

    names: tuple[str, ...]
    side_model: SideModel
    naive_model: SideModel
    """What ``flow_shrunk`` shrinks to."""
    position_coin: Floats
    """(n,): D m, the central estimate."""
    position_contracts: Floats
    """(n,): D."""
    draws_coin: Floats
    """(n_draws, n): one row is one possible book, its errors shared across instruments as they would be."""
    open_interest_coin: Floats
    """(n,)"""
    coverage: Floats
    """(n,): share of the open interest whose side was seen, in [0, 1]."""
    start: NDArray[np.int8]
    """(n,): Start."""
    total: Coverage


class Coverage(NamedTuple):
    """What the numbers of a set of instruments rest on.  Shares are of open interest in coin; None: there is none."""

    n_instruments: int
    n_unknown: int
    """No open interest known: their position is nan, and in no sum (E-10)."""
    open_interest_coin: float
    signed_volume_coin: float
    unexplained_coin: float
    coverage: float | None
    """Sum of min(signed volume, open interest) over the open interest."""
    cold_share: float | None
    """Open interest of instruments whose start was not seen."""
    is_cold_start: bool
    """Some position began before we looked, or is not known: the band says how much that may be."""


def naive_signs(model: SideModel, option_types: Sequence[OptionType]) -> Floats:
    """float64 (n,): +1 dealers long all of it, -1 short; nan where the name does not tell call from put."""
    if model is SideModel.ALL_SHORT:
        return np.full(len(option_types), -1.0)
    if model is SideModel.ALL_LONG:
        return np.full(len(option_types), 1.0)
    signs = {OptionType.CALL: 1.0, OptionType.PUT: -1.0}
    return np.array([signs.get(option_type, math.nan) for option_type in option_types])


def coverage_of(holding: Holding) -> float:
    """Signed volume seen / open interest, at most 1; 1 where the start was seen or nothing is open; nan: OI not known."""
    held = holding.open_interest_coin
    if held is None:
        return math.nan
    if holding.start is Start.SINCE_LISTING or held == 0.0:
        return 1.0
    return min(holding.signed_volume_coin / held, 1.0)


def positions(
    state: SideState, names: Sequence[str], settings: SideSettings, kept: KeptDraws | None = None
) -> Positions:
    """Positions and draws of ``names``, in their order; an unknown name is nan and counted.

    ``kept`` belongs to the caller and is changed: with it only what has moved since its last read-out is made again, a few
    options a second.  The numbers are the same without it.
    """
    side, naive_model = SideModel(settings.side_model), SideModel(settings.naive_model)
    found = [state.holdings.get(name) for name in names]
    held = np.array([math.nan if h is None or h.open_interest_coin is None else h.open_interest_coin for h in found])
    coverage = np.array([math.nan if h is None else coverage_of(h) for h in found])
    starts = np.array([Start.COLD if h is None else h.start for h in found], np.int8)
    sizes = np.array([math.nan if h is None else h.contract.contract_size for h in found])
    if side in NAIVE_MODELS:
        central = naive_signs(side, _types(found)) * held
        draws = np.broadcast_to(central, (settings.n_draws, len(names))).copy()
    else:
        kept = KeptDraws() if kept is None else kept
        changed = kept.changed(tuple(names), found, held, coverage, settings)
        few = [found[i] for i in changed]
        made = _made([names[i] for i in changed], few, held[changed], coverage[changed], settings)
        kept.central[changed], kept.by_option[changed] = made
        central, draws = kept.central.copy(), kept.by_option.copy().T
    return Positions(
        tuple(names), side, naive_model, central, central / sizes, draws, held, coverage, starts,
        _total(found, held, coverage, starts),
    )  # fmt: skip


class KeptDraws:
    """The draws of the last read-out, and what they were made from."""

    def __init__(self) -> None:
        self.central, self.by_option = np.zeros(0), np.zeros((0, 0))
        self._key: tuple[tuple[str, ...], SideSettings] | None = None
        self._sources: list[Floats | None] = []
        self._held, self._coverage = np.zeros(0), np.zeros(0)

    def changed(
        self,
        names: tuple[str, ...],
        found: list[Holding | None],
        held: Floats,
        coverage: Floats,
        settings: SideSettings,
    ) -> NDArray[np.int64]:
        """Which rows are to be made again: the fold replaces the array of a position that moves, never changes it."""
        sources = [None if h is None or h.pending else h.draws for h in found]  # what waits is made again each time
        if self._key != (names, settings):
            self._key = (names, settings)
            self.central, self.by_option = np.zeros(len(names)), np.zeros((len(names), settings.n_draws))
            same = np.zeros(len(names), bool)
        else:
            same = np.array([a is b and a is not None for a, b in zip(sources, self._sources, strict=True)], bool)
            same &= (held == self._held) & (coverage == self._coverage)
        self._sources, self._held, self._coverage = sources, held, coverage
        return np.flatnonzero(~same)


def _types(found: list[Holding | None]) -> list[OptionType]:
    return [OptionType.UNKNOWN if h is None else h.contract.option_type for h in found]


def _made(
    names: list[str], found: list[Holding | None], held: Floats, coverage: Floats, settings: SideSettings
) -> tuple[Floats, Floats]:
    """(central (n,), draws (n, n_draws)).

    Shrinking, D = c D_flow + (1 - c) D_naive, moves the middle; the draws keep their distances from it, for what they do not
    know of the start is not less by a convention, and get the error of the naive share on top.
    """
    nothing = np.full(settings.n_draws, math.nan)
    rows = [
        nothing if h is None or h.draws is None else current_draws(name, h, settings) if h.pending else h.draws
        for name, h in zip(names, found, strict=True)
    ]
    draws = np.array(rows).reshape(len(names), settings.n_draws)
    np.clip(draws, -held[:, None], held[:, None], out=draws)
    central = draws.mean(axis=1)
    if SideModel(settings.side_model) is SideModel.FLOW_SHRUNK:
        naive = (1.0 - coverage) * naive_signs(SideModel(settings.naive_model), _types(found)) * held
        pull = settings.naive_share * naive - (1.0 - coverage) * central
        draws += pull[:, None] + np.outer(naive, settings.naive_share_sd * model(settings).naive_errors)
        np.clip(draws, -held[:, None], held[:, None], out=draws)
        central = central + pull
    return central, draws


def _total(found: list[Holding | None], held: Floats, coverage: Floats, starts: NDArray[np.int8]) -> Coverage:
    is_known = ~np.isnan(held)
    all_held = float(np.sum(held[is_known]))
    is_cold = is_known & (starts == Start.COLD)
    n_unknown = int(np.count_nonzero(~is_known))
    return Coverage(
        n_instruments=len(found),
        n_unknown=n_unknown,
        open_interest_coin=all_held,
        signed_volume_coin=math.fsum(h.signed_volume_coin for h in found if h is not None),
        unexplained_coin=math.fsum(h.unexplained_coin for h in found if h is not None),
        coverage=float(np.sum((coverage * held)[is_known])) / all_held if all_held else None,
        cold_share=float(np.sum(held[is_cold])) / all_held if all_held else None,
        is_cold_start=bool(np.any(is_cold & (held > 0.0))) or n_unknown > 0,
    )
