"""From a publication to the record of flow.v1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from schemas import (
    FlipLevel,
    Flow,
    FlowExposure,
    FlowFlip,
    FlowLadderStep,
    FlowMaxPain,
    FlowPressure,
    FlowProfilePoint,
    FlowWall,
)
from streams.flow.book import Book
from streams.flow.exposures import Exposures, exposures
from streams.flow.flips import Flips, FlipSet, SmileRule, Variant
from streams.flow.labels import FLOW_TEXT
from streams.flow.percentiles import rank_pct
from streams.flow.persistence import Standing
from streams.flow.pressure import Ladder, OnePct, Realised
from streams.flow.publish import FlowState, Publication, twin_of
from streams.flow.settings import Numeraire
from streams.flow.walls import Wall, Walls

from .board import SecondBook
from .state import Context

USD_PER_PCT, COIN = "usd_per_pct", "coin"
NO_ONE_PCT = OnePct(None, None, None)
FOLLOWED = ("call_wall", "put_wall", "magnet")
"""Walls whose standing is followed over sessions."""


def number(value: float | None) -> float | None:
    """The number as the wire has it: null for what is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def flow_record(second: SecondBook, publication: Publication, flow: FlowState, context: Context) -> Flow:
    """The record of one currency and second."""
    book, settings = second.book, context.flow
    label, levels, reading = publication.exposures.label, publication.levels, publication.reading
    primary = levels.flips.flips[SmileRule.STICKY_STRIKE, Variant.ALL]
    live = publication.live_levels.flips.flips[SmileRule.STICKY_STRIKE, Variant.ALL].primary
    pin, typical, side = reading.pin, publication.typical, second.side
    return Flow(
        currency=second.currency,
        ts_event_ns=book.now_ns,
        is_final=second.is_final,
        n_partitions=len(context.partitions),
        late_partitions=second.late_partitions,
        oldest_log_time_ns=second.oldest_log_time_ns,
        positions_as_of_ns=second.positions_as_of_ns,
        settings_hash=context.settings_hash,
        engine_version=context.engine_version,
        greeks_source=label.greeks_source,
        twin_source=str(twin_of(settings.greeks_source)),
        numeraire=label.numeraire,
        side_model=str(book.side_model),
        naive_model=str(second.naive.side_model),
        sign_convention=label.sign_convention,
        warnings=warnings_of(second, publication, primary),
        index_price=book.index_price,
        dvol=number(second.dvol),
        volume_24h_usd=number(second.volume_24h_usd),
        n_listed=second.n_listed,
        n_options=len(book.names),
        n_stale=second.n_stale,
        open_interest_coin=float(side.open_interest_coin),
        n_open_interest_unknown=side.n_unknown,
        side_coverage=number(side.coverage),
        cold_share=number(side.cold_share),
        is_cold_start=side.is_cold_start,
        is_warming_up=second.is_warming_up,
        signed_volume_coin=float(side.signed_volume_coin),
        unexplained_coin=float(side.unexplained_coin),
        exposures=tuple(_exposures(second, publication, context)),
        flips=(*_flips(levels.flips), *_flips(publication.twin_flips)),
        smile_gap_pct=number(levels.flips.smile_gap_pct),
        is_smile_gap_wide=bool(levels.flips.smile_rules_differ),
        regime=str(levels.regime),
        walls=tuple(_walls(levels.walls, publication, book.now_ns)),
        max_pain=tuple(FlowMaxPain(*item) for item in publication.max_pain),
        is_frozen=publication.is_frozen,
        next_expiry_ns=int(book.expiry_ns.min()) if book.expiry_ns.size else None,
        live_primary_usd=None if live is None else number(live.level_usd),
        scenario=str(levels.scenario),
        scenario_text=FLOW_TEXT[levels.scenario],
        is_scenario_warm=bool(reading.is_warm),
        is_material=None if reading.is_material is None else bool(reading.is_material),
        ngi_rank_pct=number(rank_pct(flow.tables.ngi_usd, book.now_ns, publication.exposures.totals.ngi_usd, settings)),
        pin_expiry_ns=None if pin is None else pin.expiry_ns,
        pin_strike=None if pin is None else number(pin.strike),
        pin_gex_usd=None if pin is None else number(pin.gex_usd),
        pin_distance_sd=None if pin is None else number(pin.distance_sd),
        typical_spot_1h_pct=number(typical.spot_1h_pct),
        typical_vol_1h_points=number(typical.vol_1h_points),
        adv_usd=number(typical.adv_usd),
        realised=tuple(_realised(item) for item in publication.realised),
        ladder=tuple(_ladder(publication.ladder, publication.twin_ladder)),
        profile=() if publication.ladder is None else tuple(_profile(second, publication, context)),
    )


def warnings_of(second: SecondBook, publication: Publication, primary: Flips) -> tuple[str, ...]:
    """What to know before using the numbers."""
    own = []
    if not second.is_trade_signed:
        own.append(
            f"positions are the convention {second.book.side_model}: no trade of a known side stands behind them"
        )
    elif second.side.is_cold_start:
        own.append(
            "cold start: positions began before the first trade that was seen; the bands say how much that may be"
        )
    if second.is_warming_up:
        own.append("the whole chain may not have come yet")
    if second.n_stale:
        own.append(f"{second.n_stale} options have no row young enough")
    if primary.status == "low_coverage":
        own.append("low coverage: too little of the open interest has greeks")
    if second.late_partitions:
        own.append(f"provisional: {len(second.late_partitions)} partitions are late")
    return (*publication.warnings, *own)


def _exposures(second: SecondBook, publication: Publication, context: Context) -> Iterator[FlowExposure]:
    """Signed by trades (or what stands for them), then by the convention; primary source and twin, both numeraires."""
    settings = context.flow
    sources = (settings.greeks_source, twin_of(settings.greeks_source))
    own = Numeraire(settings.numeraire)
    other = Numeraire.COIN if own == Numeraire.USD else Numeraire.USD
    ready = {
        (sources[0], own): (publication.exposures, publication.one_pct),
        (sources[1], own): (publication.twin_exposures, publication.twin_one_pct),
    }
    books: tuple[tuple[Book, bool], ...] = ((second.book, second.is_trade_signed),)
    if second.is_trade_signed:
        books = (*books, (second.naive, False))
    for (book, is_trade_signed), numeraire, source in product(books, (own, other), sources):
        found = ready.get((source, numeraire)) if book is second.book else None
        sums, hedge = found or (exposures(book, settings, source, numeraire), NO_ONE_PCT)
        yield _exposure(sums, hedge, is_trade_signed)


def _exposure(sums: Exposures, hedge: OnePct, is_trade_signed: bool) -> FlowExposure:
    totals, label, band = sums.totals, sums.label, sums.ngi_band_usd
    return FlowExposure(
        label.greeks_source, label.model, label.numeraire, str(label.side_model), is_trade_signed, number(totals.ngi_usd),
        number(totals.ngi_coin), None if band is None else number(band.low), None if band is None else number(band.high),
        number(totals.vss_usd), number(totals.chl_24h_usd), number(totals.volg_usd), number(totals.dex_usd),
        number(hedge.hedge_1pct_up_usd), number(hedge.hedge_1pct_down_usd), sums.coverage.n_used, sums.coverage.n_missing,
        number(sums.coverage.open_interest_share),
    )  # fmt: skip


def _flips(found: FlipSet) -> Iterator[FlowFlip]:
    for flips in found.flips.values():
        primary, band, label = flips.primary, flips.band_usd, flips.label
        yield FlowFlip(
            label.greeks_source, label.model, label.numeraire, str(flips.smile_rule), str(flips.variant), str(flips.status),
            tuple(FlipLevel(float(flip.level_usd), bool(flip.to_long)) for flip in flips.flips),
            None if primary is None else float(primary.level_usd), None if primary is None else bool(primary.to_long),
            number(flips.flip_pct), None if band is None else number(band.low), None if band is None else number(band.high),
            flips.n_draws, number(flips.gamma_at_index_usd),
        )  # fmt: skip


def _walls(walls: Walls, publication: Publication, now_ns: int) -> Iterator[FlowWall]:
    for kind in Walls._fields:
        wall: Wall | None = getattr(walls, kind)
        if wall is None:
            continue
        standing: Standing | None = getattr(publication, kind) if kind in FOLLOWED else None
        band = wall.band_usd
        yield FlowWall(
            kind, float(wall.strike), float(wall.amount), COIN if "oi_wall" in kind else USD_PER_PCT,
            None if band is None else number(band.low), None if band is None else number(band.high),
            None if standing is None else number(standing.minutes_held(now_ns)),
            *((0,) * 4 if standing is None else (
                standing.n_sessions, standing.n_touched, standing.n_held, standing.n_closed,
            )),
        )  # fmt: skip


def _profile(second: SecondBook, publication: Publication, context: Context) -> Iterator[FlowProfilePoint]:
    """The profile at every fourth point of its grid, the strikes between left out."""
    found, settings = publication.live_levels.flips.profiles, context.flow
    whole = found[SmileRule.STICKY_STRIKE, Variant.ALL]
    n_points = round((settings.profile_high_ratio - settings.profile_low_ratio) / settings.profile_step_ratio / 4) + 1
    wanted = np.linspace(settings.profile_low_ratio, settings.profile_high_ratio, n_points) * second.book.index_price
    places = np.unique(np.searchsorted(whole.levels_usd, wanted).clip(0, whole.levels_usd.size - 1))
    draws = whole.draws_usd[:, places]
    low, high = [None] * places.size, [None] * places.size
    if draws.shape[0]:
        pcts = np.percentile(draws, (settings.band_low_pct, settings.band_high_pct), axis=0)
        low, high = pcts[0].tolist(), pcts[1].tolist()
    others = (
        found[SmileRule.STICKY_STRIKE, Variant.EX_NEXT_EXPIRY], publication.twin_flips.profiles[SmileRule.STICKY_STRIKE, Variant.ALL],
    )  # fmt: skip
    # The twin may leave out other options, never other levels: they are the book's.
    columns = (profile.gamma_usd[places].tolist() for profile in others)
    for level, gamma, below, above, *rest in zip(
        whole.levels_usd[places].tolist(), whole.gamma_usd[places].tolist(), low, high, *columns, strict=True
    ):
        yield FlowProfilePoint(level, number(gamma), number(below), number(above), *(number(value) for value in rest))


def _realised(item: Realised) -> FlowPressure:
    move = item.move
    return FlowPressure(
        float(item.minutes), None if move is None else number(move.spot_pct),
        None if move is None or item.vol_usd is None else number(move.vol_points), number(item.hpp_usd),
        number(item.spot_usd), number(item.vol_usd), number(item.time_usd), number(item.hpp_pct_adv), number(item.hpp_percentile),
    )  # fmt: skip


def _ladder(ours: Ladder | None, twin: Ladder | None) -> Iterator[FlowLadderStep]:
    if ours is None:
        return
    axes = (enumerate(ours.hours.tolist()), enumerate(ours.vol_points.tolist()), enumerate(ours.spot_pct.tolist()))
    for (h, hours), (v, vol_points), (r, spot_pct) in product(*axes):
        place = (h, v, r)
        yield FlowLadderStep(
            hours, vol_points, spot_pct, number(ours.hpp_usd[place]),
            None if ours.hpp_pct_adv is None else number(ours.hpp_pct_adv[place]),
            None if twin is None else number(twin.hpp_usd[place]),
        )  # fmt: skip
