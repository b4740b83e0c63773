"""The book of a currency at a second, with the dealers' positions in it and what is known of the market beside it."""

from __future__ import annotations

from typing import NamedTuple

from schemas import Greeks, Kind, OptionType
from streams.flow.board import book_of, is_of_book
from streams.flow.book import Array, Book, with_positions
from streams.flow.side import NAIVE_MODELS, KeptDraws, SideModel, naive_signs, positions
from streams.flow.side import Coverage as SideCoverage

from .lanes import NEVER, NS_PER_S
from .state import Context, State

NUMBERS = (
    "sigma", "price_usd", "price_coin", "delta", "gamma_per_usd", "vega_usd_per_point", "theta_usd_per_day", "vanna_per_point",
    "charm_per_day", "volga_usd_per_point2", "european_price_usd", "european_delta", "european_gamma_per_usd",
    "european_vega_usd_per_point", "european_theta_usd_per_day", "european_vanna_per_point", "european_charm_per_day",
    "european_volga_usd_per_point2", "venue_sigma", "venue_price_usd", "venue_delta", "venue_gamma", "venue_vega", "venue_theta",
)  # fmt: skip
NOTHING = dict.fromkeys(NUMBERS)


class SecondBook(NamedTuple):
    """What one record is made of."""

    currency: str
    is_final: bool
    book: Book
    """With the positions of ``side_model``."""
    naive: Book
    """The same under the naive convention alone."""
    is_trade_signed: bool
    """Whether trades of a known side are behind the positions of ``book``."""
    coverage_by_option: Array
    """(n,): share of the open interest whose side was seen; nan: not known."""
    side: SideCoverage
    dvol: float | None
    volume_24h_usd: float | None
    n_stale: int
    n_listed: int
    late_partitions: tuple[int, ...]
    oldest_log_time_ns: int | None
    positions_as_of_ns: int | None
    is_warming_up: bool


def second_book(state: State, currency: str, second_ns: int, context: Context, *, is_final: bool) -> SecondBook | None:
    """The book of a second; None where the currency has no option or no index.

    Without any trade of a known side the positions are the naive convention's, and the book is labelled so.
    """
    rows = [row for row in (state.final.rows if is_final else state.newest).values() if row.base_currency == currency]
    index = _newest(rows, "index_price", f"{currency.lower()}_usd")
    kept = [row for row in rows if is_of_book(row, currency, second_ns)]
    if index is None or not kept:
        return None
    oldest_ns = second_ns - int(context.flow.row_age_max_s * NS_PER_S)
    n_stale = sum(row.ts_event_ns < oldest_ns for row in kept)
    fresh = [row if row.ts_event_ns >= oldest_ns else row._replace(**NOTHING) for row in kept]  # type: ignore[arg-type]
    book = book_of(fresh, base_currency=currency, now_ns=second_ns, index_price=index)
    # A read-out of another list of names is made anew: provisional books have their own.
    cache = state.kept.setdefault(currency if is_final else f"{currency} provisional", KeptDraws())
    held = positions(state.final.side, book.names, context.side, cache)
    naive_model, side_model = SideModel(context.side.naive_model), SideModel(context.side.side_model)
    types = [OptionType.CALL if sign > 0 else OptionType.PUT for sign in book.option_signs]
    coverage = held.total.coverage
    assumed = naive_model if side_model not in NAIVE_MODELS else side_model
    naive = with_positions(
        book, naive_signs(assumed, types) * book.open_interest_coin, side_model=assumed, side_coverage=0.0
    )
    is_trade_signed = side_model not in NAIVE_MODELS and held.total.signed_volume_coin > 0.0
    signed = naive
    if is_trade_signed:
        signed = with_positions(
            book, held.position_coin, held.draws_coin, side_model=side_model, side_coverage=coverage
        )
    return SecondBook(
        currency, is_final, signed, naive, is_trade_signed, held.coverage, held.total,
        _newest(rows, "dvol", f"{currency.lower()}_usd"), _volume_24h_usd(rows, index), n_stale,
        _n_listed(state, is_final), *_lateness(state, second_ns, context), _as_of(state),
        state.final.began_ns == NEVER or second_ns - state.final.began_ns < context.flow.warm_up_s * NS_PER_S,
    )  # fmt: skip


def _newest(rows: list[Greeks], name: str, price_index: str) -> float | None:
    """The newest value of a field; of the currency's own price index where a row of it has one."""
    known = [row for row in rows if getattr(row, name) is not None]
    best = max(
        known,
        key=lambda row: (
            row.price_index == price_index, row.ts_event_ns, row.source_partition, row.source_offset, row.result_seq,
        ),
        default=None,
    )  # fmt: skip
    return None if best is None else float(getattr(best, name))


def _volume_24h_usd(rows: list[Greeks], index_price: float) -> float | None:
    """Of the perpetuals, as far as their rows say."""
    volumes = [
        row.volume_24h
        for row in rows
        if row.kind == Kind.PERPETUAL and row.volume_24h is not None and row.volume_24h >= 0.0
    ]
    return sum(volumes) * index_price if volumes else None


def _n_listed(state: State, is_final: bool) -> int:
    """By the Watermarks, of all partitions."""
    marks = state.final.marks if is_final else {key: lane.mark for key, lane in state.lanes.items()}
    return sum(mark.n_listed for (topic, _), mark in marks.items() if topic == "greeks")


def _lateness(state: State, second_ns: int, context: Context) -> tuple[tuple[int, ...], int | None]:
    """Partitions that have not passed the second, and the log time of the last of all."""
    late, oldest_ns = [], second_ns
    for partition in context.partitions:
        ours_ns = min(state.lanes[topic, partition].mark.second_ns for topic in ("greeks", "trades"))
        if ours_ns < second_ns:
            late.append(partition)
        oldest_ns = min(oldest_ns, ours_ns)
    return tuple(late), None if oldest_ns == NEVER else oldest_ns


def _as_of(state: State) -> int | None:
    return None if state.final.second_ns == NEVER else state.final.second_ns
