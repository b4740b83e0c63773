"""log and the normal distribution in additions, multiplications and one division each, so that loops over options vectorise.

A library's log or erfc is a call, and a loop with a call in it handles one option at a time. Same form as pricers._exp.
tests/unit/test_lanes.py holds each against mpmath.
"""

from __future__ import annotations

from pricers._bits import bits_of_float, exponent_of, float_of_bits, fused
from pricers._exp import LN2_HIGH, LN2_LOW, fast_exp
from pricers._jit import inlined
from pricers._normal import SQRT_HALF

MANTISSA = 0x000F_FFFF_FFFF_FFFF
ONE = 0x3FF0_0000_0000_0000
SQRT_TWO = 2.0**0.5


@inlined
def twice_atanh(s: float) -> float:
    """ln((1 + s) / (1 - s)) for abs(s) <= 0.1716, to an ulp or two."""
    w = s * s
    v = w * w
    even = fused(1.0 / 23.0, v, 1.0 / 19.0)
    odd = fused(1.0 / 21.0, v, 1.0 / 17.0)
    even = fused(even, v, 1.0 / 15.0)
    odd = fused(odd, v, 1.0 / 13.0)
    even = fused(even, v, 1.0 / 11.0)
    odd = fused(odd, v, 1.0 / 9.0)
    even = fused(even, v, 1.0 / 7.0)
    odd = fused(odd, v, 0.2)
    even = fused(even, v, 1.0 / 3.0)
    return fused(2.0 * s, w * fused(odd, w, even), 2.0 * s)


@inlined
def fast_log(x: float) -> float:
    """ln x of a normal positive number, to 2 ulp (near 1: 1e-16)."""
    m: float = float_of_bits((bits_of_float(x) & MANTISSA) | ONE)
    n = exponent_of(x) - 1023.0
    is_high = m > SQRT_TWO
    m = 0.5 * m if is_high else m
    n = n + 1.0 if is_high else n
    return fused(n, LN2_HIGH, fused(n, LN2_LOW, twice_atanh((m - 1.0) / (m + 1.0))))


@inlined
def scaled_tail(y: float) -> float:
    """exp(y²) erfc(y) for 0 <= y <= 27, to 5e-16 of itself and the rounding.

    (1 + 2y) times it is smooth in t = (y - 4)/(y + 4) from 0 to beyond where erfc underflows: its Chebyshev interpolation at
    24 points (made with 60 digits), even and odd powers side by side.
    """
    wide = fused(2.0, y, 1.0)
    over = 1.0 / ((y + 4.0) * wide)
    t = (y - 4.0) * wide * over
    w = t * t
    odd = fused(1.263782858042137e-09, w, -1.4091982822555755e-08)
    even = fused(1.868487385473519e-09, w, -1.799947545903142e-08)
    odd = fused(odd, w, 1.1005996198640057e-07)
    even = fused(even, w, 7.471952780500971e-08)
    odd = fused(odd, w, -8.254699744871162e-07)
    even = fused(even, w, 2.9377854943443786e-07)
    odd = fused(odd, w, 5.709784760966506e-06)
    even = fused(even, w, -1.1222046316669005e-05)
    odd = fused(odd, w, -2.439924428312988e-05)
    even = fused(even, w, 0.00015062169704678355)
    odd = fused(odd, w, -0.00019925668432389153)
    even = fused(even, w, -0.0007577732973669146)
    odd = fused(odd, w, 0.005031969975753176)
    even = fused(even, w, -0.01619773405599449)
    odd = fused(odd, w, 0.03716751553777026)
    even = fused(even, w, -0.0663303658124095)
    odd = fused(odd, w, 0.09373283499833023)
    even = fused(even, w, -0.10103906603629459)
    odd = fused(odd, w, 0.06809705425469323)
    even = fused(even, w, 0.015379652102619558)
    odd = fused(odd, w, -0.13962111684056253)
    even = fused(even, w, 1.2329951186255526)
    return fused(odd, t, even) * (y + 4.0) * over


@inlined
def upper_tail(x: float) -> float:
    """N(-x), to 1e-15 of itself at the centre and 1e-16 (5 + x²) in the tail; abs(x) <= 38."""
    tail = 0.5 * fast_exp(-0.5 * x * x) * scaled_tail(abs(x) * SQRT_HALF)
    return tail if x >= 0.0 else 1.0 - tail
