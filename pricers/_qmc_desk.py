"""Where a batch's QMC prices are made: four sets of draws, and the frame of the last fixings kept for the next option.

The narrower the average (sigma sqrt(t_N - t_1), 0.0076 sigma for 30 minutes), the fewer points are enough:

    up to 0.025 (330 % over 30 minutes)   the settings' own points and directions
    up to 0.1 (1300 %)                    4 times the points, one direction more
    up to 0.3 (4000 %)                    16 times, one more, along the strike's own direction (pricers._tilt)
    beyond                                64 times, two more, likewise

docs/qmc.md has the errors on both sides.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pricers._contract import SECONDS_PER_YEAR, Timing
from pricers._frame import ALL_UP_TO, FEW_NODES, MAX_NODES, N_ROWS, Frame, frame
from pricers._gap import Scratch, project, scratch
from pricers._jit import constant, kernel
from pricers._loadings import Floats
from pricers._normal import density
from pricers._points import Points
from pricers._tilt import tilted

USUAL_UP_TO = 0.025
MORE_UP_TO = 0.1
MOST_UP_TO = 0.3
TILTED = 2  # the first level whose directions are the strikes'
MANY_NODES = constant(16)
MOST_NODES = constant(24)  # of the widest averages
REACH_OF_TILTS = 8.0  # deviations: of strikes beyond, one that far
FEW_DIMENSIONS = 4  # FEW_NODES integrate the products of so many loadings exactly
REST_PART = 0.25
TILTED_REST_PART = 0.25
SERIES_PART = 0.02
ROUNDING = 2.3e-16  # of one plus the strike ratio


N_HEAD = 5  # numbers of a level in front of its points


class Draws(NamedTuple):
    """The points of each level."""

    usual: Points
    more: Points
    most: Points
    widest: Points


def packed(draws: Draws) -> Floats:
    """The draws as one array for kernels, read-only; ``unpacked`` is its inverse.

    To look at a tuple of arrays takes numba's dispatcher 5 us a call, as much as a price takes.
    """
    parts: list[Floats] = []
    for level in draws:
        head = [*level.z.shape, len(level.errors), level.n_dimensions, level.blind]
        parts += [np.array(head, dtype=np.float64), level.z.ravel(), level.weights, level.errors.ravel()]
    numbers = np.concatenate(parts)
    numbers.flags.writeable = False
    return numbers


@kernel
def level_at(numbers: Floats, at: int) -> tuple[Points, int]:
    """The level whose head is at ``at``, and where the next one's is."""
    n_rows = int(numbers[at])
    n = int(numbers[at + 1])
    n_scrambles = int(numbers[at + 2])
    z_at = at + N_HEAD
    weights_at = z_at + n_rows * n
    errors_at = weights_at + n
    end = errors_at + n_scrambles * n
    points = Points(
        numbers[z_at:weights_at].reshape((n_rows, n)), numbers[weights_at:errors_at],
        numbers[errors_at:end].reshape((n_scrambles, n)), int(numbers[at + 3]), numbers[at + 4],
    )  # fmt: skip
    return points, end


@kernel
def unpacked(numbers: Floats) -> Draws:
    """Views of the draws that were packed."""
    usual, at = level_at(numbers, 0)
    more, at = level_at(numbers, at)
    most, at = level_at(numbers, at)
    widest, _ = level_at(numbers, at)
    return Draws(usual, more, most, widest)


class Desk(NamedTuple):
    """Draws and the work space of the usual level; ``key`` and ``numbers`` remember its frame."""

    draws: Draws
    rows: Floats
    key: Floats
    numbers: Floats
    scratch: Scratch


class Seat(NamedTuple):
    """All that pricing one option at one level needs."""

    level: int
    frame: Frame
    points: Points
    scratch: Scratch


@kernel
def desk_of(numbers: Floats) -> Desk:
    """An empty desk of packed draws."""
    draws = unpacked(numbers)
    usual = draws.usual
    return Desk(
        draws,
        np.empty((N_ROWS + usual.n_dimensions, MAX_NODES)),
        np.full(4, -1.0),
        np.empty(9),
        scratch(usual.z.shape[1], ALL_UP_TO if usual.n_dimensions <= FEW_DIMENSIONS else MAX_NODES),
    )


@kernel
def level_of(sigma: float, t: Timing) -> int:
    """0 to 3: which draws the width of the average asks for."""
    width = sigma * math.sqrt(t.last_time - t.first_time)
    if width <= USUAL_UP_TO:
        return 0
    if width <= MORE_UP_TO:
        return 1
    return TILTED if width <= MOST_UP_TO else 3


def may_be_wide(inputs: Floats) -> bool:
    """Whether some option of ``value_batch``'s inputs may be at a level from ``TILTED`` on; one spacing too many does no harm."""
    with np.errstate(all="ignore"):
        widths2 = inputs[2] * inputs[2] * inputs[5] * (inputs[6] - inputs[7]) / SECONDS_PER_YEAR
    return not bool(np.all(widths2 <= MORE_UP_TO * MORE_UP_TO))


@kernel
def tilted_seat(
    level: int, points: Points, log_k: float, sigma: float, share: float, t: Timing, carry: float, desk: Desk
) -> Seat:
    """Frame in the direction of the strike's logarithm, and movements. Seats of one strike and level have one direction."""
    space = scratch(points.z.shape[1], MAX_NODES)
    rows = np.empty((N_ROWS + points.n_dimensions, MAX_NODES))
    n_nodes = MANY_NODES if level == TILTED else MOST_NODES
    f = frame(t.first_time, t.spacing, t.n_live, carry, points.n_dimensions, n_nodes, rows)
    a = sigma * f.deviation
    drift = share * sigma * sigma * (f.last_time - 0.5 * f.width * f.width) - 0.5 * a * a
    log_k = min(max(log_k, drift - REACH_OF_TILTS * a), drift + REACH_OF_TILTS * a)
    degree = min(desk.draws.usual.n_dimensions + 1, f.n_dimensions)
    f = tilted(log_k, sigma, share, degree, f, t.first_time, t.spacing, t.n_live)
    project(f, points.z, space.loads)
    return Seat(level, f, points, space)


@kernel
def seat(level: int, t: Timing, carry: float, desk: Desk) -> Seat:
    """Frame and movements for these fixings below ``TILTED``: kept from the option before, or made."""
    if level > 0:
        points = desk.draws.more
        space = scratch(points.z.shape[1], MAX_NODES)
        rows = np.empty((N_ROWS + points.n_dimensions, MAX_NODES))
        f = frame(t.first_time, t.spacing, t.n_live, carry, points.n_dimensions, MANY_NODES, rows)
        project(f, points.z, space.loads)
        return Seat(level, f, points, space)
    usual = desk.draws.usual
    key = desk.key
    kept = desk.numbers
    if key[0] == t.first_time and key[1] == t.spacing and key[2] == t.n_live and key[3] == carry:
        f = Frame(desk.rows, int(kept[0]), int(kept[1]), kept[2], kept[3], kept[4], kept[5], kept[6], kept[7], kept[8])
        return Seat(level, f, usual, desk.scratch)
    n_nodes = FEW_NODES if usual.n_dimensions <= FEW_DIMENSIONS else MANY_NODES
    f = frame(t.first_time, t.spacing, t.n_live, carry, usual.n_dimensions, n_nodes, desk.rows)
    project(f, usual.z, desk.scratch.loads)
    key[0], key[1], key[2], key[3] = t.first_time, t.spacing, float(t.n_live), carry
    kept[0], kept[1], kept[2], kept[3] = float(f.n_nodes), float(f.n_dimensions), f.deviation, f.width
    kept[4], kept[5], kept[6], kept[7], kept[8] = f.rest1, f.rest2, f.lead1, f.lead2, f.last_time
    return Seat(level, f, usual, desk.scratch)


@kernel
def whole_error(error: float, rest: float, y: float, sigma: float, growth: float, here: Seat) -> float:
    """Standard error of a gap: of its draws, of the leading order of what the directions leave, and of too few draws.

    The second's relative error is 0.6 width at 1.5 deviations and 0.1 at the money (measured: docs/qmc.md); a quarter of width
    (1 + |y|) stands for its standard deviation, and along a strike's own direction a quarter of width² (0.13 measured). The third:
    the gap is of fourth order in the draws, and few of them may all miss the tail that its mean comes from, so their own scatter
    cannot tell. ``growth``: level of M.
    """
    f = here.frame
    wide = sigma * f.width
    part = (REST_PART * wide * (1.0 + abs(y)) if here.level < TILTED else TILTED_REST_PART * wide * wide) * rest
    lead = growth * sigma**3 * density(y) * (f.lead1 * y * y + f.lead2)
    floor = here.points.blind * lead
    return math.sqrt(error * error + part * part + floor * floor)


@kernel
def series_error(gap: float, sigma: float, here: Seat) -> float:
    """What the Taylor series of pricers._gap misses of a wide average's gap: as width⁶, 5e-4 of it at 0.6 (against pricers._wide_gap).

    It shows where fixings are as few as directions, so that the draws' own error is small.
    """
    if here.level < TILTED:
        return 0.0
    wide = sigma * here.frame.width
    return SERIES_PART * wide**6 * abs(gap)
