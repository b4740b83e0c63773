"""The inferred dealer book against the true one: NGI with its band, position by position, by side model and by coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.flow.side import SideModel, SideSettings, SideState, positions, step
from tests.dealer_side.tape import Tape

LOW, HIGH = 0.1, 0.9
MODELS = (SideModel.FLOW_SHRUNK, SideModel.FLOW_INFERRED, SideModel.NAIVE_CALL_PLUS_PUT_MINUS, SideModel.ALL_SHORT)


class Row(NamedTuple):
    """One coin at one moment.  NGI in shares of gross gamma (every option held long): numbers of all seeds compare."""

    seed: int
    coin: str
    model: str
    i_moment: int
    coverage: float
    true: float
    inferred: float
    low: float
    high: float
    position_correlation: float  # of the positions, over options
    position_cover: float  # share of the positions, of those that are open, inside their own bands

    @property
    def is_right(self) -> bool:
        return np.sign(self.true) == np.sign(self.inferred)

    @property
    def is_covered(self) -> bool:
        return self.low <= self.true <= self.high


def _row(tape: Tape, i: int, coin: str, state: SideState, settings: SideSettings) -> Row:
    moment = tape.moments[i]
    of_coin = np.array([name.startswith(f"{coin}-") for name in moment.names])
    names = [name for name, is_in in zip(moment.names, of_coin, strict=True) if is_in]
    true, weights = moment.true_coin[of_coin], moment.gamma_weights[of_coin]
    found = positions(state, names, settings)
    gross = float(weights @ moment.open_interest_coin[of_coin])
    low, high = np.quantile(found.draws_coin @ weights, [LOW, HIGH])
    bands = np.quantile(found.draws_coin, [LOW, HIGH], axis=0)
    is_inside = (bands[0] - 1e-9 <= true) & (true <= bands[1] + 1e-9)
    is_open = found.open_interest_coin > 0.0
    return Row(
        tape.seed, coin, str(found.side_model), i, found.total.coverage or 0.0, float(weights @ true) / gross,
        float(weights @ found.position_coin) / gross, float(low) / gross, float(high) / gross,
        _correlation(found.position_coin, true), float(np.mean(is_inside[is_open])),
    )  # fmt: skip


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if not (np.ptp(a) and np.ptp(b)):
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def measure(tape: Tape, settings: SideSettings, models: Iterable[SideModel] = MODELS) -> list[Row]:
    """One fold over the tape, read out at every moment under each side model: the draws are the same for all of them."""
    state, rows, n_read = SideState(), [], 0
    for i, moment in enumerate(tape.moments):
        for record in tape.records[n_read : moment.n_records]:
            state = step(state, record, settings)
        n_read = moment.n_records
        rows += [_row(tape, i, coin, state, replace(settings, side_model=m)) for m in models for coin in tape.coins]
    return rows


class Rate(NamedTuple):
    """A mean over seeds with its standard error: seeds are independent, moments of a seed are not."""

    mean: float
    std_error: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.std_error:.3f})"


def by_seed(rows: list[Row], value: Callable[[Row], float]) -> Rate:
    seeds = sorted({row.seed for row in rows})
    means = [float(np.nanmean([value(row) for row in rows if row.seed == seed])) for seed in seeds]
    return Rate(
        float(np.mean(means)), float(np.std(means, ddof=1) / len(means) ** 0.5) if len(means) > 1 else float("nan")
    )


def correlation(rows: list[Row]) -> float:
    return _correlation(np.array([r.true for r in rows]), np.array([r.inferred for r in rows]))


def _line(label: str, rows: list[Row]) -> str:
    return (
        f"{label:34s} {len(rows):5d}  {np.mean([r.coverage for r in rows]):.2f}  {correlation(rows):+.3f}   "
        f"{by_seed(rows, lambda r: r.is_right)}  {by_seed(rows, lambda r: r.is_covered)}  "
        f"{np.mean([r.high - r.low for r in rows]) / 2:.4f}  {np.sqrt(np.mean([(r.true - r.inferred) ** 2 for r in rows])):.4f}  "
        f"{np.sqrt(np.mean([r.true**2 for r in rows])):.4f}  {by_seed(rows, lambda r: r.position_cover)}"
    )


HEAD = (
    f"{'':34s} {'n':>5s}  cov.  NGI corr  sign right     band covers    half    rmse    true    positions covered\n"
    f"{'':34s} {'':5s}        (truth)   (std error)    10-90 %        width           rms     10-90 %"
)


def table(rows: list[Row]) -> str:
    """What was found: by model, by time since the start, by seed."""
    last = max(row.i_moment for row in rows)
    default = [row for row in rows if row.model == SideModel.FLOW_SHRUNK]
    lines = [HEAD]
    for model in dict.fromkeys(row.model for row in rows):
        lines.append(_line(f"{model}, after the start", [r for r in rows if r.model == model and r.i_moment > 0]))
    spans = {
        "at the start": (0, 0),
        "first quarter": (1, last // 4),
        "the rest": (last // 4 + 1, last),
        "at the end": (last, last),
    }
    for name, (first, end) in spans.items():
        lines.append(_line(f"flow_shrunk, {name}", [r for r in default if first <= r.i_moment <= end]))
    for seed in sorted({row.seed for row in rows}):
        lines.append(_line(f"flow_shrunk, seed {seed}", [r for r in default if r.seed == seed and r.i_moment > 0]))
    return "\n".join(lines)
