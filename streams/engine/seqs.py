"""The trade numbers seen of one instrument, as intervals.  Idempotent: a number is new exactly once."""

from __future__ import annotations

from bisect import bisect_right

Seqs = list[list[int]]
"""Disjoint [first, last] intervals, rising, never touching."""


def add(seqs: Seqs, number: int) -> bool:
    """Take a number in; False when it was there."""
    i = bisect_right(seqs, number, key=lambda interval: interval[0])
    if i and number <= seqs[i - 1][1]:
        return False
    joins_left = i > 0 and seqs[i - 1][1] == number - 1
    joins_right = i < len(seqs) and seqs[i][0] == number + 1
    if joins_left and joins_right:
        seqs[i - 1][1] = seqs[i][1]
        del seqs[i]
    elif joins_left:
        seqs[i - 1][1] = number
    elif joins_right:
        seqs[i][0] = number
    else:
        seqs.insert(i, [number, number])
    return True


def close(seqs: Seqs) -> None:
    """Declare every hole seen: its trades are lost, or came already."""
    if len(seqs) > 1:
        seqs[:] = [[seqs[0][0], seqs[-1][1]]]


def bound(seqs: Seqs, n_max: int) -> bool:
    """Keep at most n_max intervals by closing the oldest hole; True when one was closed."""
    if len(seqs) <= n_max:
        return False
    seqs[:2] = [[seqs[0][0], seqs[1][1]]]
    return True
