"""The normal distribution, as kernels."""

from __future__ import annotations

import math

from pricers._jit import kernel

SQRT_HALF = math.sqrt(0.5)
ONE_OVER_SQRT_TWO_PI = 1.0 / math.sqrt(2.0 * math.pi)


@kernel
def density(x: float) -> float:
    """Standard normal density; 0 beyond 38.6 deviations, where it underflows."""
    return ONE_OVER_SQRT_TWO_PI * math.exp(-0.5 * x * x)


@kernel
def distribution(x: float) -> float:
    """Standard normal distribution function, to a few ulps of its own (small) value in the lower tail: erfc, not 1 + erf."""
    return 0.5 * math.erfc(-SQRT_HALF * x)
