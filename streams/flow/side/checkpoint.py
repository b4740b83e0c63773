"""State <-> bytes: a JSON head, then the draws that have moved, in millionths of a coin; compressed.

Equal states give equal bytes, and the same state comes back to the bit.  What the seed and the names give again, the draws of
positions that nothing has moved, is not in it.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from schemas import OptionType

from .chances import start_draws
from .classes import Level
from .settings import SideSettings
from .state import Contract, Holding, Pending, SideState, Start
from .weights import TradeClass

STATE_FORMAT = 1
LEVEL = 1
PER_COIN = 1_000_000
_PLAIN = (
    "creation_ns", "open_interest_coin", "open_interest_ns", "settled_coin", "settled_ns", "unexplained_since_ns", "start_coin",
    "flow_coin", "volume_coin", "signed_volume_coin", "unexplained_coin", "has_moved", "seqs",
)  # fmt: skip


class BadState(ValueError):
    """Bytes that are no state of this format."""


def to_bytes(state: SideState) -> bytes:
    """The state as bytes; holdings in the order of their names."""
    names = sorted(state.holdings)
    holdings = [state.holdings[name] for name in names]
    lots, packed = _packed([h.draws for h in holdings if h.has_moved and h.draws is not None])
    head = [
        STATE_FORMAT, state.log_time_ns, dict(sorted(state.counters.items())), lots,
        [
            [name, list(h.contract), h.start, [list(p) for p in h.pending], list(h.level), h.draws is not None]
            + [getattr(h, key) for key in _PLAIN]
            for name, h in zip(names, holdings, strict=True)
        ],
    ]  # fmt: skip
    text = orjson.dumps(head)
    return zlib.compress(len(text).to_bytes(8, "little") + text + packed, LEVEL)


def _packed(draws: list[NDArray[np.float64]]) -> tuple[list[int], bytes]:
    """Each position in lots of its own, the largest that divides all its draws; first bytes first, for the last ones of most
    numbers are 0 and shrink to nothing."""
    if not draws:
        return [], b""
    whole = np.rint(np.stack(draws) * PER_COIN).astype("<i8")
    lots = np.maximum(np.gcd.reduce(whole, axis=1), 1)
    counts = whole // lots[:, None]
    signed = ((counts << 1) ^ (counts >> 63)).ravel()  # small numbers of either sign have few bytes
    return lots.tolist(), signed.view(np.uint8).reshape(-1, 8).T.tobytes()


def _unpacked(lots: list[int], data: bytes, n_draws: int) -> NDArray[np.float64]:
    """float64 (n, n_draws)"""
    signed = (
        np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(8, -1).T).view("<i8").reshape(len(lots), n_draws)
    )
    counts = (signed >> 1) ^ -(signed & 1)
    return np.asarray(counts * np.array(lots, np.int64)[:, None] / PER_COIN)


def from_bytes(data: bytes, settings: SideSettings) -> SideState:
    """The state of ``to_bytes`` under the same settings.  Errors: BadState for bytes that are none."""
    try:
        return _state(zlib.decompress(data), settings)
    except (zlib.error, orjson.JSONDecodeError, TypeError, ValueError, IndexError) as error:
        raise BadState(f"{len(data)} bytes are no state of format {STATE_FORMAT}: {error}") from error


def _state(raw: bytes, settings: SideSettings) -> SideState:
    n_text = int.from_bytes(raw[:8], "little")
    state_format, log_time_ns, counters, lots, rows = orjson.loads(raw[8 : 8 + n_text])
    if state_format != STATE_FORMAT:
        raise ValueError(f"state format {state_format}")
    state = SideState(log_time_ns, {}, counters)
    moved = iter(_unpacked(lots, raw[8 + n_text :], settings.n_draws))
    for name, contract, start, pending, level, has_draws, *plain in rows:
        holding = _holding(contract, start, pending, level, plain)
        if holding.has_moved:
            holding.draws = next(moved).copy()
        elif has_draws:
            holding.draws = start_draws(name, holding.start_coin, settings)
        state.holdings[name] = holding
    if next(moved, None) is not None:
        raise ValueError("more draws than positions that have moved")
    return state


def _holding(contract: list[Any], start: int, pending: list[Any], level: list[Any], plain: list[Any]) -> Holding:
    holding = Holding(Contract(OptionType(contract[0]), *contract[1:]), start=Start(start), level=Level(*level))
    holding.pending = [Pending(ts_ns, TradeClass(kind), *rest) for ts_ns, kind, *rest in pending]
    for key, value in zip(_PLAIN, plain, strict=True):
        setattr(holding, key, value)
    return holding
