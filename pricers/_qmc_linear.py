"""Linear payoff by QMC: the exact lower bound, the draws' gap above it, and the variance that the directions leave."""

from __future__ import annotations

import math

from pricers._contract import Timing
from pricers._direction import FARTHEST
from pricers._gap import narrow_gap
from pricers._jit import kernel
from pricers._linear import Shape, far_shape, residual
from pricers._lower import as_boundary, bars_at, boundary_x, lower_bound
from pricers._qmc_desk import ROUNDING, TILTED, Desk, level_of, seat, series_error, tilted_seat, whole_error
from pricers._wide_gap import wide_gap

SERIES_UP_TO = 0.6  # width: the series about the boundary is as good as none, and four times as fast (docs/qmc.md)


@kernel
def qmc_linear_shape(k: float, sign: float, sigma: float, t: Timing, carry: float, desk: Desk) -> tuple[Shape, float]:
    """E[(±(M - k))^+] with every derivative, and the standard error; k > 0, sigma > 0."""
    level = level_of(sigma, t)
    log_k = math.log(k)
    if level < TILTED:
        here = seat(level, t, carry, desk)
    else:
        points = desk.draws.most if level == TILTED else desk.draws.widest
        here = tilted_seat(level, points, log_k, sigma, 0.0, t, carry, desk)
    f = here.frame
    means = here.scratch.means
    a = sigma * f.deviation
    x = log_k / a - 0.5 * a
    if x > FARTHEST or x + a < -FARTHEST:
        return far_shape(k, sign, log_k < 0.0), 0.0
    b = bars_at(boundary_x(log_k, sigma, 0.0, f, means), sigma, 0.0, f, means)
    low = lower_bound(k, sign, sigma, f, b)
    if sigma * f.width <= SERIES_UP_TO:
        g = narrow_gap(b, sigma, 0.0, f, here.points, here.scratch)
        error = math.hypot(g.error, series_error(g.e, sigma, here))
    else:
        g = wide_gap(b, sigma, f, here.points, here.scratch)
        error = g.error
    e = residual(as_boundary(b, sigma, f), sigma, f.rest1, f.rest2)
    shape = Shape(
        low.f + g.e + e.e,
        low.k1 + k * g.k1 + e.m1,
        low.k2 + k * k * g.k2 + e.m2 - e.m1,
        low.k3 + k * k * k * g.k3 + e.m3 - 3.0 * e.m2 + 2.0 * e.m1,
        low.sigma1 + g.sigma1 + e.sigma1,
        low.k1_sigma1 + k * g.k1_sigma1 + e.m1_sigma1,
        low.sigma2 + g.sigma2 + e.sigma2,
    )
    return shape, whole_error(error, e.e, x, sigma, 1.0, here) + ROUNDING * (1.0 + k)
