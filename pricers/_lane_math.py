"""log and the normal distribution in additions, multiplications and one division each, so that loops over options vectorise.

A library's log or erfc is a call, and a loop with a call in it handles one option at a time. Same form as pricers._exp.
tests/unit/test_lanes.py holds each against mpmath.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pricers._exp import LN2_HIGH, LN2_LOW, fast_exp, float_of_bits
from pricers._jit import inlined
from pricers._normal import SQRT_HALF

MANTISSA = 0x000F_FFFF_FFFF_FFFF
ONE = 0x3FF0_0000_0000_0000
SQRT_TWO = 2.0**0.5


@intrinsic
def bits_of_float(context: Any, x: Any) -> Any:
    """The 64 bits of the double, as an integer."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), build


@inlined
def twice_atanh(s: float) -> float:
    """ln((1 + s) / (1 - s)) for abs(s) <= 0.1716, to an ulp or two."""
    w = s * s
    p = 1.0 / 23.0
    p = p * w + 1.0 / 21.0
    p = p * w + 1.0 / 19.0
    p = p * w + 1.0 / 17.0
    p = p * w + 1.0 / 15.0
    p = p * w + 1.0 / 13.0
    p = p * w + 1.0 / 11.0
    p = p * w + 1.0 / 9.0
    p = p * w + 1.0 / 7.0
    p = p * w + 0.2
    p = p * w + 1.0 / 3.0
    return 2.0 * s + 2.0 * s * (w * p)


@inlined
def fast_log(x: float) -> float:
    """ln x of a normal positive number, to 2 ulp (near 1: 1e-16)."""
    bits: int = bits_of_float(x)  # type: ignore[call-arg]
    m: float = float_of_bits((bits & MANTISSA) | ONE)
    n = float((bits >> 52) - 1023)
    is_high = m > SQRT_TWO
    m = 0.5 * m if is_high else m
    n = n + 1.0 if is_high else n
    return n * LN2_HIGH + (twice_atanh((m - 1.0) / (m + 1.0)) + n * LN2_LOW)


@inlined
def upper_tail(x: float) -> float:
    """N(-x), to 1e-15 of itself at the centre and 1e-16 (5 + x²) in the tail; abs(x) <= 38.

    (1 + 2y) exp(y²) erfc(y) is smooth in t = (y - 4)/(y + 4) from 0 to beyond where erfc underflows: its Chebyshev interpolation
    at 24 points (made with 60 digits), 5e-16 from it.
    """
    y = abs(x) * SQRT_HALF
    t = (y - 4.0) / (y + 4.0)
    p = 1.263782858042137e-09
    p = p * t + 1.868487385473519e-09
    p = p * t - 1.4091982822555755e-08
    p = p * t - 1.799947545903142e-08
    p = p * t + 1.1005996198640057e-07
    p = p * t + 7.471952780500971e-08
    p = p * t - 8.254699744871162e-07
    p = p * t + 2.9377854943443786e-07
    p = p * t + 5.709784760966506e-06
    p = p * t - 1.1222046316669005e-05
    p = p * t - 2.439924428312988e-05
    p = p * t + 0.00015062169704678355
    p = p * t - 0.00019925668432389153
    p = p * t - 0.0007577732973669146
    p = p * t + 0.005031969975753176
    p = p * t - 0.01619773405599449
    p = p * t + 0.03716751553777026
    p = p * t - 0.0663303658124095
    p = p * t + 0.09373283499833023
    p = p * t - 0.10103906603629459
    p = p * t + 0.06809705425469323
    p = p * t + 0.015379652102619558
    p = p * t - 0.13962111684056253
    p = p * t + 1.2329951186255526
    tail = 0.5 * fast_exp(-0.5 * x * x) * p / (1.0 + 2.0 * y)
    return tail if x >= 0.0 else 1.0 - tail
