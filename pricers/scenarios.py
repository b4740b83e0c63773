"""Greeks of many options under many moves: profiles over spot, ladders over spot, vol and time, for sums over a book.

    option_columns     the options, as one matrix            gamma_profile, vanna_profile   (n, m) over ratios of the forward
    smile_tables       smiles for the second smile rule      GammaSum                       one weighted sum, as a function of the ratio
    weighted_sums      (k, n) weights times (n, m) rows      delta_ladder, deltas_after     deltas with the fixings of the time taken

The arithmetic is the closed form's leading term before the first fixing and the closed form itself from it on, per payoff
(pricers._scenario_options says what that costs); rate and carry are 0. A hundred times faster than ``value_options``, which stays the
reference: tests/unit/test_scenarios.py.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pricers._scenario_ladder import deltas_after as _deltas_after
from pricers._scenario_ladder import ladder_sums
from pricers._scenario_options import (
    INTERVAL_S,
    IS_INVERSE,
    N_FIXED,
    N_FIXINGS,
    N_ROWS,
    NEXT_FIXING_S,
    RUNNING_SUM,
    prepared,
)
from pricers._scenario_profile import (
    GAMMA,
    VANNA,
    Tables,
    gamma_root,
    gamma_sum,
    profile_rows,
)
from pricers._scenario_sums import single_rows, weighted_rows
from pricers._scenario_zeros import nearest_zeros as _nearest_zeros
from pricers._scenario_zeros import sign_changes as _sign_changes

__all__ = [
    "NO_SMILES",
    "GammaSum",
    "Tables",
    "delta_ladder",
    "deltas_after",
    "european_columns",
    "gamma_profile",
    "nearest_zeros",
    "option_columns",
    "sign_changes",
    "smile_tables",
    "vanna_profile",
    "warm_up",
    "weighted_sums",
    "weighted_sums_single",
]

Array = npt.NDArray[np.float64]

SINGLE_LEAST = 1e-30
"""A gamma of 1e-5 in the tail where its density is 1e-25 of the peak; float32 loses digits, and time, below 1e-38."""
N_NODES = 512
"""Nodes of a smile's table: over a range of 2 in ln(K/F) a distance of 0.004, less than strikes are apart."""
NO_SMILES = Tables(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))
"""Sticky strike: the vol of an option stays when the forward moves."""


def option_columns(
    *,
    forward: npt.ArrayLike,
    strike: npt.ArrayLike,
    sigma: npt.ArrayLike,
    option_sign: npt.ArrayLike,
    next_fixing_s: npt.ArrayLike,
    interval_s: npt.ArrayLike,
    n_fixings: npt.ArrayLike,
    n_fixed: npt.ArrayLike = 0,
    running_sum: npt.ArrayLike = 0.0,
    is_inverse: npt.ArrayLike = False,
    is_coin: npt.ArrayLike = False,
) -> Array:
    """The matrix (11, n) of options that every function here takes; arguments as ``value_options``, all of shape (n,) or scalar.

    ``is_inverse``: the payoff. ``is_coin``: delta, gamma and vanna net of the premium in coin (delta - V/F and its derivatives).
    """
    columns = (
        forward, strike, sigma, option_sign, next_fixing_s, interval_s, n_fixings, n_fixed, running_sum, is_inverse, is_coin,
    )  # fmt: skip
    arrays = np.broadcast_arrays(*(np.asarray(column, dtype=np.float64) for column in columns))
    matrix = np.empty((N_ROWS, math.prod(arrays[0].shape)))
    for row, array in zip(matrix, arrays, strict=True):
        row[:] = array.reshape(-1)
    return matrix


def european_columns(options: Array, tau_s: npt.ArrayLike) -> Array:
    """The same options as if the last fixing alone, ``tau_s`` seconds away, were the delivery price."""
    matrix = options.copy()
    matrix[NEXT_FIXING_S] = tau_s
    matrix[N_FIXINGS] = 1.0
    matrix[[INTERVAL_S, N_FIXED, RUNNING_SUM, IS_INVERSE]] = 0.0
    return matrix


def smile_tables(
    log_moneyness: npt.ArrayLike, sigma: npt.ArrayLike, group: npt.ArrayLike, n_nodes: int = N_NODES
) -> Tables:
    """Smiles of groups of options (one an expiry) from their own vols: linear in ln(K/F), options of one strike by their mean.

    Parameters
    ----------
    log_moneyness, sigma : (n,): ln(K/F), and vol; both finite.
    group : (n,) integers from 0: which smile an option is of.
    """
    x, y = np.asarray(log_moneyness, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    place = np.asarray(group, dtype=np.int64)
    n_groups = int(place.max()) + 1 if place.size else 0
    tables, firsts, per_steps = np.empty((n_groups, n_nodes)), np.zeros(n_groups), np.ones(n_groups)
    order = np.lexsort((x, place))
    bounds = np.searchsorted(place[order], np.arange(n_groups + 1))
    for g in range(n_groups):
        members = order[bounds[g] : bounds[g + 1]]
        if members.size == 0:
            tables[g] = 0.0
            continue
        at, which, counts = np.unique(x[members], return_inverse=True, return_counts=True)
        means = np.bincount(which, weights=y[members]) / counts
        width = max(at[-1] - at[0], 1e-9)
        firsts[g], per_steps[g] = at[0], (n_nodes - 1) / width
        tables[g] = np.interp(at[0] + np.arange(n_nodes) / per_steps[g], at, means)
    return Tables(tables, firsts, per_steps, place)


def gamma_profile(options: Array, ratios: npt.ArrayLike, smiles: Tables = NO_SMILES) -> Array:
    """Gamma (n, m), per USD, of each option with its forward times each ratio; nan where an option makes no sense.

    Accuracy: before the first fixing within sigma² · 30 min / 20 of the linear payoff's largest gamma, after it the closed form's own
    (tests/unit/test_scenarios.py::test_gamma_is_the_closed_forms_before_and_inside_the_window).
    """
    return _profile(options, ratios, GAMMA, smiles)


def vanna_profile(options: Array, ratios: npt.ArrayLike, smiles: Tables = NO_SMILES) -> Array:
    """Vanna (n, m), per 1.00 of sigma; otherwise as ``gamma_profile``."""
    return _profile(options, ratios, VANNA, smiles)


def _profile(options: Array, ratios: npt.ArrayLike, what: int, smiles: Tables) -> Array:
    log_ratios = np.log(np.asarray(ratios, dtype=np.float64))
    out = np.empty((options.shape[1], log_ratios.size))
    profile_rows(options, prepared(options), log_ratios, what, smiles, out)
    return out


class GammaSum:
    """Sum over options of weight times gamma, as a function of the forward's ratio: what a root search asks for again and again."""

    def __init__(self, options: Array, smiles: Tables = NO_SMILES) -> None:
        self._options, self._smiles = options, smiles
        self._ready = prepared(options)
        self._room = np.empty((2, options.shape[1]))

    def at(self, weights: Array, ratio: float) -> float:
        """The sum at a ratio; weights (n,), 0 for an option that makes no sense."""
        return gamma_sum(self._options, self._ready, weights, math.log(ratio), self._smiles, self._room)

    def root(
        self, weights: Array, ratios: tuple[float, float], sums: tuple[float, float], tolerance: float = 1e-6
    ) -> float:
        """The ratio between two at which the sum is 0, by Brent's method, to ``tolerance`` of it.

        Raises
        ------
        ValueError : ``sums``, the function's values at the two, have not opposite signs.
        """
        if not min(sums) < 0.0 < max(sums):
            raise ValueError(f"sums {sums} at ratios {ratios}: want one below 0 and one above")
        bracket = np.array([math.log(ratios[0]), math.log(ratios[1]), *sums])
        return math.exp(gamma_root(self._options, self._ready, weights, bracket, self._smiles, tolerance, self._room))


def weighted_sums(weights: npt.ArrayLike, rows: npt.ArrayLike) -> Array:
    """(k, n) weights times (n, m) rows, always summed in the same order: (k, m)."""
    w, r = np.ascontiguousarray(weights, dtype=np.float64), np.ascontiguousarray(rows, dtype=np.float64)
    out = np.empty((w.shape[0], r.shape[1]))
    weighted_rows(w, r, out)
    return out


def weighted_sums_single(weights: npt.ArrayLike, rows: Array) -> npt.NDArray[np.float32]:
    """The same in float32: twice as fast, and a sum of 1 500 good to 1e-6 of its gross; rows below ``SINGLE_LEAST`` count as 0."""
    w = np.ascontiguousarray(weights, dtype=np.float32)
    r = np.empty(rows.shape, dtype=np.float32)
    single_rows(rows, SINGLE_LEAST, r)
    out = np.empty((len(w), rows.shape[1]), dtype=np.float32)
    weighted_rows(w, r, out)
    return out


def sign_changes(row: npt.NDArray[np.floating], lobe_share: float = 0.0) -> npt.NDArray[np.int64]:
    """Places (k, 2) on either side of each change of sign of a row (m,); exact zeros and nan between them are skipped.

    A run of one sign that nowhere reaches ``lobe_share`` of the row's largest magnitude is passed over.
    """
    pairs = np.empty((row.size + 1, 2), dtype=np.int64)
    return pairs[: _sign_changes(row, lobe_share, pairs)].copy()


def nearest_zeros(levels: Array, rows: npt.NDArray[np.floating], target: float, lobe_share: float = 0.0) -> Array:
    """Zero of each row (k, m) over ascending ``levels`` (m,) that is nearest to ``target``, by linear interpolation: (k,); nan: none."""
    out = np.empty(rows.shape[0])
    _nearest_zeros(levels, rows, target, lobe_share, out)
    return out


def delta_ladder(
    options: Array, weights: Array, ratios: npt.ArrayLike, sigma_shifts: npt.ArrayLike, horizons_s: npt.ArrayLike
) -> Array:
    """Sum over options of weight times delta after moves: (n_horizons, n_shifts, n_ratios).

    Parameters
    ----------
    options, weights : (11, n) and (n,); an option of weight 0 is left out. One that makes no sense and has a weight makes all nan.
    ratios : of the forward, at once.
    sigma_shifts : added to every vol, fraction.
    horizons_s : time passed after that, s. Fixings of that time are taken at the moved forward; an option past its last has delta 0.
    """
    axes = [np.atleast_1d(np.asarray(axis, dtype=np.float64)) for axis in (horizons_s, sigma_shifts, ratios)]
    out = np.empty(tuple(axis.size for axis in axes))
    ladder_sums(options, np.ascontiguousarray(weights, dtype=np.float64), axes[2], axes[1], axes[0], out)
    return out


def deltas_after(options: Array, horizon_s: float) -> Array:
    """Delta (n,) of each option when a time has passed at the same forward and vol, its fixings taken; 0 after the last."""
    out = np.empty(options.shape[1])
    _deltas_after(options, float(horizon_s), out)
    return out


def warm_up() -> None:
    """Compile (or load from cache) every kernel of this module, so that the first second of a flow is as fast as the next."""
    options = option_columns(
        forward=1.0, strike=[1.0, 1.1], sigma=0.5, option_sign=1, next_fixing_s=[3_600.0, 2.0], interval_s=4.0,
        n_fixings=450, n_fixed=[0, 10], running_sum=[0.0, 10.0], is_inverse=True,
    )  # fmt: skip
    smiles = smile_tables([0.0, 0.1], [0.5, 0.5], [0, 0])
    rows = gamma_profile(options, [0.9, 1.0], smiles)
    vanna_profile(options, [1.0])
    both = GammaSum(options, smiles)
    both.at(np.ones(2), 1.0)
    both.root(np.array([1.0, -1.0]), (0.9, 1.1), (1.0, -1.0))
    sums = weighted_sums(np.ones((1, 2)), rows)
    single = weighted_sums_single(np.ones((1, 2)), rows)
    sign_changes(sums[0])
    nearest_zeros(np.array([0.9, 1.0]), single, 1.0)
    delta_ladder(options, np.ones(2), [1.0], [0.0], [0.0])
    deltas_after(options, 60.0)
