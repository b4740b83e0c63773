"""Implied volatilities of the linear closed form (and of Black-76), many at once: each loop is over options and vectorises.

The search of pricers._implied in its simplest form: closed-form start, Halley steps on the same transforms, no bracket. A lane that has
converged is left alone, so a lane's answer does not depend on its neighbours. A lane that does not converge within ``MAX_STEPS`` steps, or
leaves the range of the expansion, is told so, and the scalar search takes it.

The lanes are rows of ``LANES`` columns at constant distance in one array, so that the compiler sees that they do not overlap.
"""

from __future__ import annotations

import math

import numpy as np

from pricers._exp import fast_exp
from pricers._jit import kernel
from pricers._lane_math import fast_log, twice_atanh, upper_tail
from pricers._loadings import Floats
from pricers._normal import ONE_OVER_SQRT_TWO_PI

LANES = 64
MAX_STEPS = 4
N_ROWS = 22
(
    K, LOG_K, SIDE, DEVIATION, Q2, Q3, Q4, A1, A2, HIGH, WIDTH, TARGET, ENOUGH, START,
    SIGMA, VALUE, VEGA, VOLGA, STEP, IS_DONE, N_STEPS, LOG_TARGET,
) = (row * LANES for row in range(N_ROWS))  # fmt: skip
"""Of each lane: strike ratio; its logarithm; +1 call, -1 put; unit constants of its fixings (pricers._fixings); the largest
sigma; sqrt(t_N - t_1); the out-of-the-money price that is asked for, over forward and weight; the relative step that ends the search; a
sigma to start from, or 0. What comes out: sigma, and value, vega and volga there."""
USUAL_WIDTH = 0.04  # pricers._wide.IN_RANGE
LARGEST_BEND = 0.25  # of Q(y) - 1, for its logarithm's series
FARTHEST = 37.0
SMALLEST = 1e-290


@kernel
def lanes() -> Floats:
    """Lanes that ask for nothing."""
    rows = np.zeros(N_ROWS * LANES)
    for p in range(LANES):
        idle(rows, p)
    return rows


@kernel
def idle(rows: Floats, p: int) -> None:
    """Something harmless in lane ``p``, of a negative WIDTH."""
    for row in range(N_ROWS):
        rows[row * LANES + p] = 0.0
    rows[K + p] = 1.1
    rows[LOG_K + p] = 0.1
    rows[SIDE + p] = 1.0
    rows[DEVIATION + p] = 1.0
    rows[HIGH + p] = 6.0
    rows[TARGET + p] = 0.1
    rows[ENOUGH + p] = 1.0
    rows[WIDTH + p] = -1.0


@kernel
def start(rows: Floats) -> None:
    """Sigma from the closed-form normal volatility of the price (Jäckel 2017), taken to lognormal; or the given start."""
    for p in range(LANES):
        k = rows[K + p]
        target = rows[TARGET + p]
        away = max(abs(k - 1.0), 1e-14)
        ratio = target / away
        # Far from the money or cheap ...
        h = math.sqrt(-fast_log(min(max(ratio, 1e-300), 0.5)))
        far = (9.4883409779 - h * (9.6320903635 - h * (0.58556997323 + 2.1464093351 * h))) / (
            1.0 - h * (0.65174820867 + h * (1.5120247828 + 6.6437847132e-5 * h))
        )
        # ... or near it.
        g = 1.0 / (ratio + 0.5)
        g2 = g * g
        top = 0.032114372355 - g2 * (0.016969777977 - g2 * (2.6207332461e-3 - 9.6066952861e-5 * g2))
        bottom = 1.0 - g2 * (0.6635646938 - g2 * (0.14528712196 - 0.010472855461 * g2))
        near = g * (ONE_OVER_SQRT_TWO_PI + top / bottom * g2)
        x = near if ratio > 0.001882039271 else far
        total = abs(rows[LOG_K + p]) / max(abs(x), 1e-300)
        total = target / ONE_OVER_SQRT_TWO_PI if abs(k - 1.0) < 1e-14 else total
        total = min(total * (1.0 + total * total / 24.0), 4.0)
        bound = 1.0 if rows[SIDE + p] > 0.0 else k
        rows[LOG_TARGET + p] = fast_log(max(0.5 * target / bound, 1e-300))
        given = rows[START + p]
        rows[SIGMA + p] = min(given if given > 0.0 else total / rows[DEVIATION + p], rows[HIGH + p])
        rows[IS_DONE + p] = 0.0
        rows[N_STEPS + p] = 0.0


@kernel
def evaluate(rows: Floats) -> None:
    """Price of the out-of-the-money side at sigma with two sigma-derivatives: pricers._linear.narrow_shape, in one go."""
    for p in range(LANES):
        k = rows[K + p]
        side = rows[SIDE + p]
        sigma = rows[SIGMA + p]
        unit = rows[DEVIATION + p]
        a = sigma * unit
        s2 = sigma * sigma
        c2 = rows[Q2 + p] * s2
        c3 = rows[Q3 + p] * s2 * sigma
        c4 = rows[Q4 + p] * s2 * s2
        # Q - 1 in powers of y, and its sigma-derivatives times sigma and sigma²: each Hermite coefficient is a power of sigma.
        p0 = 0.125 * c4 - 0.5 * c2
        p1 = -0.5 * c3
        p2 = 0.5 * c2 - 0.25 * c4
        p3 = c3 / 6.0
        p4 = c4 / 24.0
        level = rows[LOG_K + p]
        x = level / a - 0.5 * a
        for _ in range(2):
            bend = min(max((((p4 * x + p3) * x + p2) * x + p1) * x + p0, -LARGEST_BEND), LARGEST_BEND)
            rise = ((4.0 * p4 * x + 3.0 * p3) * x + 2.0 * p2) * x + p1
            miss = a * x + 0.5 * a * a + twice_atanh(bend / (2.0 + bend)) - level
            x -= miss / (a + rise / (1.0 + bend))
        z = x + a
        bend = (((p4 * x + p3) * x + p2) * x + p1) * x + p0
        q = 1.0 + bend
        q1 = (((4.0 * p4 * x + 3.0 * p3) * x + 2.0 * p2) * x + p1) / q
        q2 = ((12.0 * p4 * x + 6.0 * p3) * x + 2.0 * p2) / q
        d0 = ((c4 / 6.0 * x + 0.5 * c3) * x + (c2 - c4)) * x - 1.5 * c3
        qs = (d0 * x + (0.5 * c4 - c2)) / (q * sigma)
        d1 = ((4.0 * c4 / 6.0 * x + 1.5 * c3) * x + 2.0 * (c2 - c4)) * x - 1.5 * c3
        qs1 = d1 / (q * sigma)
        e0 = ((0.5 * c4 * x + c3) * x + (c2 - 3.0 * c4)) * x - 3.0 * c3
        qss = (e0 * x + (1.5 * c4 - c2)) / (q * s2)
        slope = a + q1
        slope1 = q2 - q1 * q1
        turn = slope1 / slope
        l_sigma = unit * x + a * unit + qs
        lift = l_sigma - unit * slope
        slope_sigma = unit + qs1 - q1 * qs
        phi = ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * x * x)
        # phi times the primitive of Q - 1 - p0's own part: He_(m-1) by powers.
        b2 = p2 + 6.0 * p4
        primitive = (p1 + 3.0 * p3) + b2 * x + p3 * (x * x - 1.0) + p4 * (x * x * x - 3.0 * x)
        main = side * (upper_tail(side * x) - k * upper_tail(side * z)) + phi * primitive
        weight = phi * q
        vega = weight * slope / sigma
        volga = weight / sigma * (z * lift - lift * turn + slope_sigma - unit * slope1 - slope / sigma)
        # The variance that the direction leaves, at the boundary.
        a1 = rows[A1 + p]
        a2 = rows[A2 + p]
        cube = s2 * sigma * phi
        r0 = a1 * x * x + a2
        r1 = ((2.0 * a1 - a2) - a1 * x * x) * x
        r2 = a1 * x**4 + (a2 - 5.0 * a1) * x * x + (2.0 * a1 - a2)
        x_s = -l_sigma / slope
        l_sigma2 = unit * unit + qss - qs * qs
        x_ss = -(l_sigma2 + 2.0 * slope_sigma * x_s + slope1 * x_s * x_s) / slope
        per = 3.0 / sigma
        value = main + cube * r0
        vega += cube * (per * r0 + r1 * x_s)
        volga += cube * (2.0 * per / sigma * r0 + 2.0 * per * r1 * x_s + r2 * x_s * x_s + r1 * x_ss)
        is_open = rows[IS_DONE + p] == 0.0
        is_usable = abs(bend) < LARGEST_BEND and abs(x) < FARTHEST and abs(z) < FARTHEST
        rows[VALUE + p] = (value if is_usable else np.nan) if is_open else rows[VALUE + p]
        rows[VEGA + p] = vega if is_open else rows[VEGA + p]
        rows[VOLGA + p] = volga if is_open else rows[VOLGA + p]


@kernel
def step(rows: Floats) -> int:
    """One Halley step of every open lane (pricers._implied.halley_step); returns how many stay open."""
    n_open = 0
    for p in range(LANES):
        side = rows[SIDE + p]
        bound = 1.0 if side > 0.0 else rows[K + p]
        f = rows[VALUE + p]
        f1 = rows[VEGA + p]
        f2 = rows[VOLGA + p]
        target = rows[TARGET + p]
        sigma = rows[SIGMA + p]
        safe = max(f, SMALLEST)
        log_f = fast_log(0.5 * safe / bound)
        rate = f1 / safe
        low_miss = 1.0 / log_f - 1.0 / rows[LOG_TARGET + p]
        low_slope = -rate / (log_f * log_f)
        low_bend = (2.0 * rate * rate / log_f - (f2 / safe - rate * rate)) / (log_f * log_f)
        room = max(bound - f, SMALLEST)
        high_miss = fast_log(max(bound - target, SMALLEST) / room)
        high_slope = f1 / room
        high_bend = f2 / room + high_slope * high_slope
        is_low = f < 0.5 * bound or target < 0.5 * bound
        slope = low_slope if is_low else high_slope
        newton = -(low_miss if is_low else high_miss) / slope
        correction = 1.0 + 0.5 * newton * (low_bend if is_low else high_bend) / slope
        change = newton / min(max(correction, 0.5), 2.0)
        is_fine = f > SMALLEST and f < bound and f1 > 0.0 and sigma * rows[WIDTH + p] <= USUAL_WIDTH
        is_open = rows[IS_DONE + p] == 0.0
        is_near = is_fine and abs(change) <= rows[ENOUGH + p] * sigma
        rows[STEP + p] = change if is_open else rows[STEP + p]
        rows[N_STEPS + p] += 1.0 if is_open else 0.0
        following = min(max(sigma + change, 0.25 * sigma), rows[HIGH + p])
        rows[SIGMA + p] = following if is_open and not is_near else sigma
        rows[IS_DONE + p] = 1.0 if not is_open or is_near else 0.0
        n_open += 1 if is_open and not is_near else 0
    return n_open


@kernel
def solve(rows: Floats) -> None:
    """Search in every lane. IS_DONE says where SIGMA, VALUE and VEGA are the answer, to third order of the last step."""
    start(rows)
    for _ in range(MAX_STEPS):
        evaluate(rows)
        if step(rows) == 0:
            break
    for p in range(LANES):
        last = rows[STEP + p]
        rows[SIGMA + p] += last
        rows[VALUE + p] += last * (rows[VEGA + p] + 0.5 * last * rows[VOLGA + p])
        rows[VEGA + p] += last * rows[VOLGA + p]
        if rows[SIGMA + p] > rows[HIGH + p] or rows[SIGMA + p] * rows[WIDTH + p] > USUAL_WIDTH:
            rows[IS_DONE + p] = 0.0
