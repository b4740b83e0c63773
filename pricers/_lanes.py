"""Implied volatilities of the linear closed form (and of Black-76), many at once: each loop is over options and vectorises.

The search of pricers._implied in its simplest form: closed-form start, steps on the same transforms, no bracket; with the third
derivative of Black's formula a step is of fourth order (Householder), so that two evaluations are enough for nearly every quote. A lane
that has converged is left alone, so a lane's answer does not depend on its neighbours. A lane that does not converge within
``MAX_STEPS`` steps, or leaves the range of the expansion, is told so, and the scalar search takes it.

The lanes are rows of ``LANES`` columns at constant distance in one array, so that the compiler sees that they do not overlap. Divisions
are what such a loop waits for: each reciprocal is taken once.
"""

from __future__ import annotations

import math

import numpy as np

from pricers._exp import fast_exp
from pricers._jit import kernel
from pricers._lane_math import fast_log, scaled_tail
from pricers._loadings import Floats
from pricers._normal import ONE_OVER_SQRT_TWO_PI, SQRT_HALF

LANES = 16  # a batch of one or three pays for all of them; with 64 a board of 2 000 is 7 % sooner through
MAX_STEPS = 4
N_ROWS = 27
(
    K, LOG_K, SIDE, DEVIATION, Q2, Q3, Q4, A1, A2, HIGH, WIDTH, TARGET, ENOUGH, START, IS_ASKED,
    SIGMA, VALUE, VEGA, VOLGA, THIRD, STEP, IS_DONE, N_STEPS, LOW_TARGET, PER_LOW_TARGET, HIGH_TARGET,
    PER_BOUND,
) = (row * LANES for row in range(N_ROWS))  # fmt: skip
"""Of each lane: strike ratio; its logarithm; +1 call, -1 put; unit constants of its fixings (pricers._fixings); the largest
sigma; sqrt(t_N - t_1); the out-of-the-money price that is asked for, over forward and weight; the relative step that ends the search; a
sigma to start from, or 0; whether anything is asked. What comes out: sigma, and value, vega, volga and third derivative there."""
USUAL_WIDTH = 0.04  # pricers._wide.IN_RANGE
LARGEST_BEND = 0.25  # of Q(y) - 1: a lane's one step to the boundary is good enough for less
FARTHEST = 37.0
SMALLEST = 1e-290
# Of lognormal over normal volatility beyond 1 + total²/24, fitted up to a total volatility of 1.2 and three deviations: 3e-4 of sigma.
START_TILT = -3.9e-4
START_BEND = 4.11e-3


@kernel
def lanes() -> Floats:
    """Lanes that ask for nothing, with something harmless in each."""
    rows = np.zeros(N_ROWS * LANES)
    for p in range(LANES):
        rows[K + p] = 1.1
        rows[SIDE + p] = 1.0
        rows[DEVIATION + p] = 1.0
        rows[HIGH + p] = 6.0
        rows[TARGET + p] = 0.1
        rows[ENOUGH + p] = 1.0
    return rows


@kernel
def start(rows: Floats) -> None:
    """Sigma from the closed-form normal volatility of the price (Jäckel 2017), taken to lognormal; or the given start."""
    for p in range(LANES):
        k = rows[K + p]
        target = rows[TARGET + p]
        log_k = fast_log(k)
        away = max(abs(k - 1.0), 1e-14)
        ratio = target / away
        # Far from the money or cheap ...
        h = math.sqrt(-fast_log(min(max(ratio, 1e-300), 0.5)))
        far_top = 9.4883409779 - h * (9.6320903635 - h * (0.58556997323 + 2.1464093351 * h))
        far_bottom = 1.0 - h * (0.65174820867 + h * (1.5120247828 + 6.6437847132e-5 * h))
        # ... or near it.
        g = 1.0 / (ratio + 0.5)
        g2 = g * g
        more = 0.032114372355 - g2 * (0.016969777977 - g2 * (2.6207332461e-3 - 9.6066952861e-5 * g2))
        near_bottom = 1.0 - g2 * (0.6635646938 - g2 * (0.14528712196 - 0.010472855461 * g2))
        near_top = g * (ONE_OVER_SQRT_TWO_PI * near_bottom + more * g2)
        is_near = ratio > 0.001882039271
        top = abs(near_top if is_near else far_top)
        bottom = abs(near_bottom if is_near else far_bottom)
        total = abs(log_k) * bottom / max(top, 1e-300)
        total = target / ONE_OVER_SQRT_TWO_PI if abs(k - 1.0) < 1e-14 else total
        square = total * total
        total = min(total * (1.0 + square * (1.0 / 24.0 + START_TILT * log_k * log_k + START_BEND * square)), 4.0)
        bound = 1.0 if rows[SIDE + p] > 0.0 else k
        given = rows[START + p]
        rows[LOG_K + p] = log_k
        per_bound = 1.0 / bound
        low_target = fast_log(max(0.5 * target * per_bound, 1e-300))
        rows[PER_BOUND + p] = per_bound
        rows[LOW_TARGET + p] = low_target
        rows[PER_LOW_TARGET + p] = 1.0 / low_target
        rows[HIGH_TARGET + p] = fast_log(max(bound - target, SMALLEST))
        rows[SIGMA + p] = min(given if given > 0.0 else total / rows[DEVIATION + p], rows[HIGH + p])
        rows[IS_DONE + p] = 1.0 - rows[IS_ASKED + p]
        rows[N_STEPS + p] = 0.0


@kernel
def evaluate_plain(rows: Floats) -> None:
    """Black-76's out-of-the-money price at sigma and three sigma-derivatives.

    With d = |ln k| / a: c N(-(d - a/2)) - c' N(-(d + a/2)), where both densities times their factors are the same number.
    """
    for p in range(LANES):
        unit = rows[DEVIATION + p]
        a = rows[SIGMA + p] * unit
        per_a = 1.0 / a
        d = abs(rows[LOG_K + p]) * per_a
        low = d - 0.5 * a
        high = d + 0.5 * a
        factor = 1.0 if rows[SIDE + p] > 0.0 else rows[K + p]
        weight = factor * fast_exp(-0.5 * low * low)
        near = scaled_tail(abs(low) * SQRT_HALF)
        far = scaled_tail(high * SQRT_HALF)
        half = 0.5 * weight
        value = half * (near - far) if low >= 0.0 else factor - half * (near + far)
        vega = unit * ONE_OVER_SQRT_TWO_PI * weight
        turn = low * high * per_a
        ratio = d * per_a
        is_open = rows[IS_DONE + p] == 0.0
        rows[VALUE + p] = (value if high < FARTHEST else np.nan) if is_open else rows[VALUE + p]
        rows[VEGA + p] = vega if is_open else rows[VEGA + p]
        rows[VOLGA + p] = vega * unit * turn if is_open else rows[VOLGA + p]
        rows[THIRD + p] = (
            vega * unit * unit * (turn * turn - 3.0 * ratio * ratio - 0.25) if is_open else rows[THIRD + p]
        )


@kernel
def evaluate(rows: Floats) -> None:
    """Price of the out-of-the-money side at sigma with two sigma-derivatives: pricers._linear.narrow_shape, in one go.

    The price is stationary in the boundary, for which one step from the lognormal root is enough; the third derivative is Black's at
    the boundary, within a few per cent.
    """
    for p in range(LANES):
        k = rows[K + p]
        is_call = rows[SIDE + p] > 0.0
        sigma = rows[SIGMA + p]
        unit = rows[DEVIATION + p]
        a = sigma * unit
        s2 = sigma * sigma
        per_sigma = 1.0 / sigma
        per_a = 1.0 / a
        c2 = rows[Q2 + p] * s2
        c3 = rows[Q3 + p] * s2 * sigma
        c4 = rows[Q4 + p] * s2 * s2
        # Q - 1 in powers of y, and its sigma-derivatives times sigma and sigma²: each Hermite coefficient is a power of sigma.
        p0 = 0.125 * c4 - 0.5 * c2
        p1 = -0.5 * c3
        p2 = 0.5 * c2 - 0.25 * c4
        p3 = c3 / 6.0
        p4 = c4 / 24.0
        # Where (1 + bend) exp(a (x - lognormal root)) is 1: Halley's step from that root.
        root = rows[LOG_K + p] * per_a - 0.5 * a
        first = (((p4 * root + p3) * root + p2) * root + p1) * root + p0
        rise = a + (((4.0 * p4 * root + 3.0 * p3) * root + 2.0 * p2) * root + p1)
        turn = (12.0 * p4 * root + 6.0 * p3) * root + 2.0 * p2 - a * a
        move = -2.0 * first * rise / (2.0 * rise * rise - first * turn)
        x = root + move
        z = x + a
        bend = (((p4 * x + p3) * x + p2) * x + p1) * x + p0
        q = 1.0 + bend
        per_q = 1.0 / q
        q1 = (((4.0 * p4 * x + 3.0 * p3) * x + 2.0 * p2) * x + p1) * per_q
        q2 = ((12.0 * p4 * x + 6.0 * p3) * x + 2.0 * p2) * per_q
        d0 = ((c4 / 6.0 * x + 0.5 * c3) * x + (c2 - c4)) * x - 1.5 * c3
        qs = (d0 * x + (0.5 * c4 - c2)) * per_q * per_sigma
        d1 = ((4.0 * c4 / 6.0 * x + 1.5 * c3) * x + 2.0 * (c2 - c4)) * x - 1.5 * c3
        qs1 = d1 * per_q * per_sigma
        e0 = ((0.5 * c4 * x + c3) * x + (c2 - 3.0 * c4)) * x - 3.0 * c3
        qss = (e0 * x + (1.5 * c4 - c2)) * per_q * per_sigma * per_sigma
        slope = a + q1
        per_slope = 1.0 / slope
        slope1 = q2 - q1 * q1
        turn = slope1 * per_slope
        l_sigma = unit * x + a * unit + qs
        lift = l_sigma - unit * slope
        slope_sigma = unit + qs1 - q1 * qs
        # N(-x) - k N(-z) of a call, k N(z) - N(x) of a put; exp(-a move) is k phi(z) / phi(x).
        weight = fast_exp(-0.5 * x * x)
        other = weight * fast_exp(-a * move)
        low = x if is_call else -z
        high = z if is_call else -x
        near = 0.5 * (weight if is_call else other) * scaled_tail(abs(low) * SQRT_HALF)
        far = 0.5 * (other if is_call else weight) * scaled_tail(max(high, 0.0) * SQRT_HALF)
        phi = ONE_OVER_SQRT_TWO_PI * weight
        # phi times the primitive of Q - 1 - p0's own part: He_(m-1) by powers.
        b2 = p2 + 6.0 * p4
        primitive = (p1 + 3.0 * p3) + b2 * x + p3 * (x * x - 1.0) + p4 * (x * x * x - 3.0 * x)
        main = (near - far if low >= 0.0 else (1.0 if is_call else k) - near - far) + phi * primitive
        density = phi * q * per_sigma
        vega = density * slope
        volga = density * (z * lift - lift * turn + slope_sigma - unit * slope1 - slope * per_sigma)
        # The variance that the direction leaves, at the boundary.
        a1 = rows[A1 + p]
        a2 = rows[A2 + p]
        xx = x * x
        cube = s2 * sigma * phi
        r0 = a1 * xx + a2
        r1 = ((2.0 * a1 - a2) - a1 * xx) * x
        r2 = (a1 * xx + (a2 - 5.0 * a1)) * xx + (2.0 * a1 - a2)
        x_s = -l_sigma * per_slope
        l_sigma2 = unit * unit + qss - qs * qs
        x_ss = -(l_sigma2 + 2.0 * slope_sigma * x_s + slope1 * x_s * x_s) * per_slope
        per = 3.0 * per_sigma
        value = main + cube * r0
        vega += cube * (per * r0 + r1 * x_s)
        volga += cube * (2.0 * per * per_sigma * r0 + 2.0 * per * r1 * x_s + r2 * x_s * x_s + r1 * x_ss)
        u = x * z * per_a
        d = 0.5 * (x + z) * per_a
        is_open = rows[IS_DONE + p] == 0.0
        is_usable = abs(first) < LARGEST_BEND and abs(bend) < LARGEST_BEND and abs(x) < FARTHEST and abs(z) < FARTHEST
        # A boundary on the other side of the money than the lognormal one: the split above is not of this side.
        is_usable = is_usable and high >= 0.0
        rows[VALUE + p] = (value if is_usable else np.nan) if is_open else rows[VALUE + p]
        rows[VEGA + p] = vega if is_open else rows[VEGA + p]
        rows[VOLGA + p] = volga if is_open else rows[VOLGA + p]
        rows[THIRD + p] = vega * unit * unit * (u * u - 3.0 * d * d - 0.25) if is_open else rows[THIRD + p]


@kernel
def step(rows: Floats) -> int:
    """One step of every open lane on pricers._implied.halley_step's transforms, of fourth order; returns how many stay open."""
    n_open = 0
    for p in range(LANES):
        side = rows[SIDE + p]
        bound = 1.0 if side > 0.0 else rows[K + p]
        f = rows[VALUE + p]
        f1 = rows[VEGA + p]
        f2 = rows[VOLGA + p]
        f3 = rows[THIRD + p]
        target = rows[TARGET + p]
        sigma = rows[SIGMA + p]
        is_low = f < 0.5 * bound or target < 0.5 * bound
        safe = max(f, SMALLEST)
        room = max(bound - f, SMALLEST)
        argument = 0.5 * safe * rows[PER_BOUND + p] if is_low else room
        logarithm = fast_log(argument)
        per = 1.0 / (safe if is_low else room)
        rate = f1 * per
        per_rate = 1.0 / rate
        r2 = f2 * per
        r3 = f3 * per
        # ln f: its second and third derivative over the first; then those of 1 / ln f.
        l2 = r2 * per_rate - rate
        l3 = r3 * per_rate - 3.0 * r2 + 2.0 * rate * rate
        per_log = 1.0 / logarithm
        slope = rate * per_log
        low_miss = (rows[LOW_TARGET + p] - logarithm) * rows[PER_LOW_TARGET + p]
        low_newton = logarithm * low_miss * per_rate
        low_bend = l2 - 2.0 * slope
        low_turn = l3 - 6.0 * l2 * slope + 6.0 * slope * slope
        # ln(bound - f)
        high_newton = (logarithm - rows[HIGH_TARGET + p]) * per_rate
        high_bend = r2 * per_rate + rate
        high_turn = r3 * per_rate + 3.0 * r2 + 2.0 * rate * rate
        newton = low_newton if is_low else high_newton
        bend = newton * (low_bend if is_low else high_bend)
        turn = newton * newton * (low_turn if is_low else high_turn)
        correction = (1.0 + 0.5 * bend) / (1.0 + bend + turn / 6.0)
        change = newton * min(max(correction, 0.5), 2.0)
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
def solve(rows: Floats, is_plain: bool) -> None:
    """Search in every lane. IS_DONE says where SIGMA, VALUE and VEGA are the answer, to fourth order of the last step."""
    start(rows)
    for _ in range(MAX_STEPS):
        if is_plain:
            evaluate_plain(rows)
        else:
            evaluate(rows)
        if step(rows) == 0:
            break
    for p in range(LANES):
        last = rows[STEP + p]
        volga = rows[VOLGA + p]
        third = rows[THIRD + p]
        rows[SIGMA + p] += last
        rows[VALUE + p] += last * (rows[VEGA + p] + last * (0.5 * volga + last / 6.0 * third))
        rows[VEGA + p] += last * (volga + 0.5 * last * third)
        if rows[SIGMA + p] > rows[HIGH + p] or rows[SIGMA + p] * rows[WIDTH + p] > USUAL_WIDTH:
            rows[IS_DONE + p] = 0.0
