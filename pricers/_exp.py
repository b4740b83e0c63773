"""exp without a library call: numba's wheel has no vector library, and a call per value keeps a loop from vectorising.

Reduction by ln 2 in two parts and the Taylor series of degree 12 on |r| <= ln 2 / 2: the first term left out is 2e-16.
Measured against mpmath: within 1.2 ulp (tests/unit/test_qmc_parts.py). Below -708 the result stays at the smallest normal number,
above 709 at the largest power: no caller needs what lies beyond.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pricers._jit import kernel

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.693147180369123816490
LN2_LOW = 1.90821492927058770002e-10
TO_INTEGER = 6755399441055744.0  # 1.5 · 2^52: adding it rounds to an integer


@intrinsic
def float_of_bits(context: Any, bits: Any) -> Any:
    """The double whose 64 bits are the integer's."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), build


@kernel
def fast_exp(x: float) -> float:
    """exp(x), in additions and multiplications only."""
    x = min(max(x, -708.0), 709.0)
    n = (x * LOG2_E + TO_INTEGER) - TO_INTEGER
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * (r * r) + r
    return (p + 1.0) * float_of_bits((int(n) + 1023) << 52)  # type: ignore[call-arg]
