"""From a publication to the records of flow.strikes.v1: sums over the options of one strike and expiry."""

from __future__ import annotations

import numpy as np

from schemas import FlowStrike
from streams.flow.book import Array, Integers
from streams.flow.exposures import Metric, exposures
from streams.flow.publish import Publication, twin_of

from .board import SecondBook
from .records import number
from .state import Context


def strike_records(second: SecondBook, publication: Publication, context: Context) -> list[FlowStrike]:
    """One record for each strike of each expiry, by expiry and strike, ascending.

    A sum over no option that has the number is null.
    """
    book, settings = second.book, context.flow
    ours, twin = publication.exposures.by_option, publication.twin_exposures.by_option
    assumed = exposures(second.naive, settings).by_option[Metric.NGI]
    order = np.lexsort((book.strikes, book.expiry_ns))
    pairs = np.stack([book.expiry_ns[order].astype(np.float64), book.strikes[order]])
    is_first = np.concatenate([[True], (np.diff(pairs, axis=1) != 0.0).any(axis=0)])
    begins = np.flatnonzero(is_first)
    cell = np.empty(order.size, dtype=np.int64)
    cell[order] = np.cumsum(is_first) - 1
    n = begins.size

    def total(values: Array) -> list[float | None]:
        return _sums(values, cell, n)

    calls, puts = book.option_signs > 0, book.option_signs < 0
    interest, position = book.open_interest_coin, book.position_coin
    seen = _sums(second.coverage_by_option * interest, cell, n)
    held = _sums(np.where(np.isfinite(second.coverage_by_option), interest, np.nan), cell, n)
    low, high = _bands(book.draws_coin, position, order, begins, (settings.band_low_pct, settings.band_high_pct))
    columns = zip(
        book.expiry_ns[order[begins]].tolist(), book.strikes[order[begins]].tolist(), book.forwards[order[begins]].tolist(),
        np.bincount(cell, minlength=n).tolist(), np.bincount(cell[np.isfinite(ours[Metric.NGI])], minlength=n).tolist(),
        total(np.where(calls, interest, np.nan)), total(np.where(puts, interest, np.nan)), seen, held, total(position), low,
        high, *(total(ours[metric]) for metric in Metric), total(twin[Metric.NGI]), total(twin[Metric.VSS]), total(assumed),
        strict=True,
    )  # fmt: skip
    return [
        FlowStrike(
            second.currency, book.now_ns, int(expiry_ns), strike, context.settings_hash, str(settings.greeks_source),
            str(twin_of(settings.greeks_source)), str(settings.numeraire), str(book.side_model), str(second.naive.side_model),
            book.index_price, number(forward), n_options, n_used, call_oi, put_oi, _share(own_seen, own_held), own_position,
            own_low, own_high, ngi, vss, chl, volg, dex, twin_ngi, twin_vss, ngi if second.is_trade_signed else None, naive,
        )
        for (
            expiry_ns, strike, forward, n_options, n_used, call_oi, put_oi, own_seen, own_held, own_position, own_low,
            own_high, ngi, vss, chl, volg, dex, twin_ngi, twin_vss, naive,
        ) in columns
    ]  # fmt: skip


def _sums(values: Array, cell: Integers, n: int) -> list[float | None]:
    """Sums of the finite values by cell; null where there is none."""
    known = np.isfinite(values)
    counts = np.bincount(cell[known], minlength=n)
    sums = np.bincount(cell[known], weights=values[known], minlength=n)
    return [total if count else None for total, count in zip(sums.tolist(), counts.tolist(), strict=True)]


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _bands(
    draws: Array, position: Array, order: Integers, begins: Integers, pcts: tuple[float, float]
) -> tuple[list[float | None], list[float | None]]:
    """Quantiles over the draws of the positions by cell; null without draws, and where no position is known."""
    if not draws.shape[0] or not begins.size:
        return [None] * begins.size, [None] * begins.size
    known = np.isfinite(position)
    sums = np.add.reduceat(np.where(known, draws, 0.0)[:, order], begins, axis=1)
    has_any = np.add.reduceat(known[order].astype(np.int64), begins) > 0
    low, high = np.percentile(sums, pcts, axis=0)
    return (
        [float(value) if has else None for value, has in zip(low, has_any, strict=True)],
        [float(value) if has else None for value, has in zip(high, has_any, strict=True)],
    )
