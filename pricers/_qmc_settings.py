"""Settings of the QMC engine, and the draws that they mean."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from pricers._loadings import MAX_DIMENSIONS, Floats
from pricers._points import MAX_M_POINTS, points
from pricers._qmc_desk import Draws, packed

MORE_M, MOST_M, WIDEST_M = 2, 4, 6
MORE_DIMENSIONS, WIDEST_DIMENSIONS = 1, 2


class QmcSettings(NamedTuple):
    """Points of ``engine="qmc"``: 2^m_points points in all, split evenly over n_scrambles independent scrambles.

    ``n_dimensions`` residual directions are drawn, beside the one that is integrated exactly. Wide averages (total volatility of
    the window above 0.025) take more of both by themselves: pricers/_qmc_desk.py, docs/qmc.md.
    """

    m_points: int = 6
    n_scrambles: int = 8
    n_dimensions: int = 3
    seed: int = 20230413


DEFAULT = QmcSettings()
MAX_SETTING_DIMENSIONS = MAX_DIMENSIONS - WIDEST_DIMENSIONS


@cache
def draws_of(settings: QmcSettings | None, is_wide: bool = True) -> Draws:
    """Draws of the settings (None: the default), made once. ``ValueError`` for impossible ones, with what would be right.

    Those of wide averages take ten times as long as all others, up to a second: where no option ``is_wide`` (pricers._qmc_desk) fewer
    points stand in their place, unused.
    """
    m, s, d, seed = DEFAULT if settings is None else settings
    for name, number in (("m_points", m), ("n_scrambles", s), ("n_dimensions", d), ("seed", seed)):
        if not hasattr(number, "__index__"):
            raise ValueError(f"qmc: {name} {number!r} is not an integer")
    if not 1 <= m <= MAX_M_POINTS:
        raise ValueError(f"qmc: m_points {m} is not within 1 .. {MAX_M_POINTS}: 2^m_points is the number of points")
    if s < 2 or s & (s - 1):
        raise ValueError(
            f"qmc: n_scrambles {s} is not a power of two from 2 on: points are split evenly, errors need two"
        )
    if s > 2**m:
        raise ValueError(
            f"qmc: 2^{m} = {2**m} points for {s} scrambles; give m_points >= {s.bit_length() - 1} or fewer scrambles"
        )
    if not 1 <= d <= MAX_SETTING_DIMENSIONS:
        raise ValueError(f"qmc: n_dimensions {d} is not within 1 .. {MAX_SETTING_DIMENSIONS}")
    if seed < 0:
        raise ValueError(f"qmc: seed {seed} is negative; give one from 0 on")
    usual, more = points(m, s, d, seed), points(m + MORE_M, s, d + MORE_DIMENSIONS, seed)
    if not is_wide:
        return Draws(usual, more, more, more)
    return Draws(
        usual,
        more,
        points(min(m + MOST_M, MAX_M_POINTS), s, d + MORE_DIMENSIONS, seed, True),
        points(min(m + WIDEST_M, MAX_M_POINTS), s, d + WIDEST_DIMENSIONS, seed, True),
    )


@cache
def packed_draws_of(settings: QmcSettings | None, is_wide: bool = True) -> Floats:
    """``draws_of`` as kernels take them."""
    return packed(draws_of(settings, is_wide))
