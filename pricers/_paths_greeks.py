"""Greeks by bumps: of a simulated price with common random numbers, and of a closed form with eight-point differences.

Both know only a function of (forward, sigma, later), where ``later`` moves the live fixings away: minus calendar time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pricers._valuation import CHARM, DELTA, GAMMA, N_COLUMNS, PRICE, THETA, VANNA, VEGA, VOLGA

Array = npt.NDArray[np.float64]
Surface = Callable[[Array, Array, Array], Array]
"""Price at broadcast (forward, sigma, later)."""

Bumps = tuple[float, float, float]
"""Steps of forward (USD), sigma and time (years)."""

EIGHT_POINTS = np.array([-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0])
FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
SECOND_CENTRE = -205 / 72


def smooth_greeks(price: Surface, forward: float, sigma: float, steps: Bumps) -> Array:
    """Columns (N_COLUMNS,) of a smooth price by central differences of eighth order; std_error, rho and roll stay 0.

    Error: step^8 / 630 of the ninth derivative, and rounding of the price over the step.
    """
    d_forward, d_sigma, d_time = steps
    forwards = forward + d_forward * EIGHT_POINTS
    here, zero = np.array(sigma), np.array(0.0)
    centre = float(price(np.array(forward), here, zero))
    along_forward = price(forwards, here, zero)
    sigmas = sigma + d_sigma * EIGHT_POINTS
    laters = d_time * EIGHT_POINTS
    along_sigma = price(np.array(forward), sigmas, zero)
    along_time = price(np.array(forward), here, laters)
    found = np.zeros(N_COLUMNS)
    found[PRICE] = centre
    found[DELTA] = FIRST @ along_forward / d_forward
    found[GAMMA] = (SECOND @ along_forward + SECOND_CENTRE * centre) / d_forward**2
    found[VEGA] = FIRST @ along_sigma / d_sigma
    found[VOLGA] = (SECOND @ along_sigma + SECOND_CENTRE * centre) / d_sigma**2
    found[THETA] = -(FIRST @ along_time) / d_time
    found[VANNA] = FIRST @ price(forwards[:, None], sigmas, zero) @ FIRST / (d_forward * d_sigma)
    found[CHARM] = -(FIRST @ price(forwards[:, None], here, laters) @ FIRST) / (d_forward * d_time)
    return found


def bumped_greeks(cube: Array, steps: Bumps) -> Array:
    """Columns (N_COLUMNS, ...) from prices (5, 3, ...) by three-point central differences (A17); std_error, rho and roll stay 0.

    ``cube[i, j]``: i = 0 here, 1, 2 sigma down and up, 3, 4 fixings sooner and later; j = 0, 1, 2 forward down, here, up.
    """
    d_forward, d_sigma, d_time = steps
    slope = (cube[:, 2] - cube[:, 0]) / (2.0 * d_forward)
    level = cube[:, 1]
    found = np.zeros((N_COLUMNS, *cube.shape[2:]))
    found[PRICE] = level[0]
    found[DELTA] = slope[0]
    found[GAMMA] = (cube[0, 2] - 2.0 * level[0] + cube[0, 0]) / d_forward**2
    found[VEGA] = (level[2] - level[1]) / (2.0 * d_sigma)
    found[VOLGA] = (level[2] - 2.0 * level[0] + level[1]) / d_sigma**2
    found[THETA] = -(level[4] - level[3]) / (2.0 * d_time)
    found[VANNA] = (slope[2] - slope[1]) / (2.0 * d_sigma)
    found[CHARM] = -(slope[4] - slope[3]) / (2.0 * d_time)
    return found
