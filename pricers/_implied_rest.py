"""Roots that pricers._implied_lanes has left, one by one: the inverse payoff, draws to polish, and what needs a bracket."""

from __future__ import annotations

import math

from pricers._contract import Split, constants, timing
from pricers._fixings import UnitConstants
from pricers._implied import CAPPED, OK, SMALLEST, Model, halley_step, parity_value, search, upper_bound
from pricers._implied_lanes import (
    CODE,
    LEFT_NEAR,
    QUOTE,
    SIGMA,
    START,
    STEPS,
    VALUE,
    VEGA,
    fixings_of,
    is_same,
    split_of,
)
from pricers._inverse import inverse_sides
from pricers._jit import kernel
from pricers._normal import distribution
from pricers._qmc_desk import desk_of
from pricers._valuation import EUROPEAN, INVERSE, QMC, Floats, is_drawn
from pricers._wide import IN_RANGE, width


@kernel
def inverse_start(k: float, sign: float, sigma: float, vega: float, unit: UnitConstants) -> float:
    """Sigma of an inverse option before its window, from the linear one and its vega, to 1e-5 of itself or better.

    To leading order the inverse call is worth more than the linear one by k sigma² (t_N - t_1)/6 N(-z), the put less by the same with
    N(z).
    """
    a = sigma * unit.deviation
    z = math.log(k) / a + 0.5 * a
    span = width(sigma, unit)
    start: float = sigma - sign * k * span * span / 6.0 * distribution(-sign * z) / vega
    return start


@kernel
def one_step(inputs: Floats, i: int, sigma: float, c: Split, unit: UnitConstants, roots: Floats) -> bool:
    """Whether one evaluation of the inverse closed form at ``sigma`` is enough; the root if so."""
    sign = inputs[3, i]
    side = 1.0 if c.strike >= 1.0 else -1.0
    v = parity_value(sign, side, inverse_sides(c, side, side != sign, sigma, unit))
    vega = v.f1 + v.parity1
    bound = upper_bound(c, side, True)
    target = roots[QUOTE, i] - v.parity
    if not (v.f > SMALLEST and SMALLEST < target < bound and v.f < bound and vega > 0.0):
        return False
    step = halley_step(target, v, roots[QUOTE, i], bound)
    following = sigma + step
    if not (abs(step) <= math.sqrt(inputs[13, i]) * sigma and following * unit.deviation <= inputs[12, i]):
        return False
    if width(following, unit) > IN_RANGE:
        return False
    roots[SIGMA, i] = following
    roots[CODE, i] = OK
    roots[STEPS, i] = roots[STEPS, i] + 1.0
    roots[VEGA, i] = vega
    roots[VALUE, i] = v.f + v.parity + step * (vega + 0.5 * step * (v.f2 + v.parity2))
    return True


@kernel
def rest_batch(inputs: Floats, payoff: int, engine: int, draws: Floats, roots: Floats) -> None:
    """Roots of the options that are left; from the lanes' sigma where they have one.

    The root of the deterministic value, polished with draws where the engine wants them: they move it by their error, which one or two
    steps repair. A cap that is reached is the draws' to confirm.
    """
    is_inverse = payoff == INVERSE and engine != EUROPEAN
    desk = desk_of(draws)
    t = timing(1.0, 0.0, 1)
    unit = constants(t, 0.0)
    before = -1
    for i in range(inputs.shape[1]):
        quote = roots[QUOTE, i]
        if not (roots[CODE, i] < 0.0 and quote > 0.0):
            continue
        if before < 0 or not is_same(inputs, i, before):
            t, unit = fixings_of(inputs, i, engine)
        before = i
        c = split_of(inputs, i, engine, t, unit)
        sign = inputs[3, i]
        is_near = roots[CODE, i] == LEFT_NEAR
        is_before = is_inverse and c.past == 0.0
        sigma = roots[SIGMA, i] if is_near else roots[START, i]
        if is_near and is_before:
            sigma = inverse_start(c.strike, sign, sigma, roots[VEGA, i], unit)
            if engine != QMC and one_step(inputs, i, sigma, c, unit, roots):
                continue
        n_steps = int(roots[STEPS, i]) if is_near else 0
        is_polishing = is_near and engine == QMC and (is_before or not is_inverse)  # near enough for draws to finish
        for stage in range(2):
            if stage == 0 and is_polishing:
                continue
            if stage == 1 and not is_polishing and not is_drawn(sigma, unit, engine, is_inverse):
                break
            m = Model(c, sign, t, unit, is_inverse, engine, stage == 1, desk)
            r = search(quote, m, sigma, inputs[12, i], inputs[13, i])
            n_steps += r.n_steps
            roots[SIGMA, i] = r.sigma
            roots[CODE, i] = r.code
            roots[STEPS, i] = n_steps
            roots[VEGA, i] = r.vega
            roots[VALUE, i] = r.value
            sigma = inputs[12, i] / unit.deviation if r.code == CAPPED else r.sigma
