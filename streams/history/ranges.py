"""Which offsets of a partition are in: half-open ranges, sorted, apart.  Pure.

They are what makes a sink exact: an offset that is in is not read again, wherever reading starts, so that an earlier past can be
filled in later.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

Ranges = tuple[tuple[int, int], ...]
"""(first, end) of each, ascending, with at least one offset between two."""


def with_range(ranges: Ranges, begin: int, end: int) -> Ranges:
    """The ranges and [begin, end) together."""
    if begin >= end:
        return ranges
    kept = [one for one in ranges if one[1] < begin or one[0] > end]
    touching = [one for one in ranges if one[1] >= begin and one[0] <= end]
    first, last = min([begin, *(one[0] for one in touching)]), max([end, *(one[1] for one in touching)])
    return tuple(sorted([*kept, (first, last)]))


def next_missing(ranges: Ranges, offset: int) -> int:
    """The first offset at or after this one that is not in."""
    return next((end for begin, end in ranges if begin <= offset < end), offset)


def is_in(ranges: Ranges, offset: int) -> bool:
    """Whether an offset is in."""
    return any(begin <= offset < end for begin, end in ranges)


def checked(ranges: Iterable[Iterable[int]]) -> Ranges:
    """Ranges from a file; ValueError where they are none."""
    found = tuple((int(begin), int(end)) for begin, end in ranges)
    edges = [edge for one in found for edge in one]
    if any(before >= after for before, after in pairwise(edges)) or any(edge < 0 for edge in edges):
        raise ValueError(f"{found}: want ranges that ascend and do not touch")
    return found
