"""Which side the dealers are on, where nobody says: assumptions with a name, and no more than that.

Public data of CME tells open interest and prices, not who holds what.  So every sign here is an assumption, and every record that
it makes carries its name and the word "assumption".  Signs are of the dealers' position: +1 long.
"""

from __future__ import annotations

SIGNS = {
    "naive_call_plus_put_minus": {1: 1, -1: -1},
    "all_short": {1: -1, -1: -1},
    "all_long": {1: 1, -1: 1},
}
"""Sign by side model and option_sign.  naive_call_plus_put_minus: customers overwrite calls and buy puts."""
DEFAULT_SIDE_MODEL = "naive_call_plus_put_minus"


def dealer_sign(side_model: str, option_sign: int) -> int:
    """+1: dealers are assumed long.

    Raises
    ------
    ValueError : a side model that is not in ``SIGNS``.
    """
    if side_model not in SIGNS:
        raise ValueError(f"side model {side_model!r} is unknown; there are {', '.join(SIGNS)}")
    return SIGNS[side_model][option_sign]
