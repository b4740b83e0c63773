"""What Python has no word for, and a compiled loop needs: a double's bits, and a product and a sum rounded once.

``fused`` is the processor's own instruction (x86-64 since 2013, every 64-bit ARM): half the work of a multiplication and an
addition, and one rounding instead of two. Its result is defined to the bit, so a machine without it gets the same, slowly.
Nothing is fused that does not say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import extending, types

Builder = Callable[..., Any]
returns_float = cast(Callable[[Builder], Callable[..., float]], extending.intrinsic)
returns_int = cast(Callable[[Builder], Callable[..., int]], extending.intrinsic)
"""numba's decorator, typed: a call of what it makes leaves the first argument out."""

INTEGER = ir.IntType(64)
DOUBLE = ir.DoubleType()
EXPONENT_BITS = 52
IN_MANTISSA = 0x4330_0000_0000_0000  # bits of 2^52: a small integer put into them is 2^52 and that integer
TWO_TO_52 = 2.0**52


@returns_float
def float_of_bits(context: Any, bits: Any) -> Any:
    """The double whose 64 bits are the integer's."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], DOUBLE)

    return types.float64(types.int64), build


@returns_int
def bits_of_float(context: Any, x: Any) -> Any:
    """The 64 bits of the double, as an integer."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], INTEGER)

    return types.int64(types.float64), build


@returns_float
def exponent_of(context: Any, x: Any) -> Any:
    """Exponent field (0 .. 2047) of a positive double, as a double.

    Without a conversion between the two kinds of number, which has no vector form before AVX-512.
    """

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        field = builder.lshr(builder.bitcast(arguments[0], INTEGER), INTEGER(EXPONENT_BITS))
        return builder.fsub(builder.bitcast(builder.or_(field, INTEGER(IN_MANTISSA)), DOUBLE), DOUBLE(TWO_TO_52))

    return types.float64(types.float64), build


@returns_float
def fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), build
