"""One publish: everything that a second's book says, and the state that carries over to the next.

``publish(state, book, ...) -> (state, Publication)`` is pure and deterministic; the fold that reads the topics calls it once a second
of log time, and asks for the ladder every few seconds.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.flow.book import Book
from streams.flow.exposures import Exposures, exposures
from streams.flow.flips import FlipSet, SmileRule, Variant, flip_set
from streams.flow.labels import (
    Reading,
    Scenario,
    ScenarioState,
    ScenarioTables,
    Typical,
    read_scenario,
    step_scenario,
)
from streams.flow.normalised import PressureTables, normalised, step_pressure_tables
from streams.flow.percentiles import step_table
from streams.flow.persistence import Standing, step_standing
from streams.flow.pressure import (
    Ladder,
    OnePct,
    PressureLog,
    Realised,
    ladder,
    one_pct,
    pressure_base,
    step_pressure,
)
from streams.flow.regime import Frozen, Regime, RegimeState, step_freeze, step_regime
from streams.flow.settings import FlowSettings, GreeksSource
from streams.flow.sources import is_low
from streams.flow.typical import TypicalTables, step_typical, typical_of
from streams.flow.walls import MaxPain, Wall, Walls, max_pain, walls

NS_PER_S = 1_000_000_000


class Levels(NamedTuple):
    """What stands still before an expiry (J9)."""

    flips: FlipSet
    walls: Walls
    regime: Regime
    scenario: Scenario


def without_profiles(levels: Levels) -> Levels:
    """What is kept of levels: the profiles, with their draws, are most of their bytes, and are of the moment alone."""
    return levels._replace(flips=levels.flips._replace(profiles={}))


class FlowState(NamedTuple):
    """All that one publish leaves to the next."""

    regime: RegimeState = RegimeState()
    frozen: Frozen[Levels] = Frozen()
    call_wall: Standing = Standing()
    put_wall: Standing = Standing()
    magnet: Standing = Standing()
    pressure: PressureLog = PressureLog()
    typical: TypicalTables = TypicalTables()
    tables: ScenarioTables = ScenarioTables()
    scenario: ScenarioState = ScenarioState()
    pressures: PressureTables = PressureTables()


class Publication(NamedTuple):
    """Everything of one second.  ``twin`` stands beside the primary source: the A/B record (H7)."""

    exposures: Exposures
    one_pct: OnePct
    twin_exposures: Exposures
    twin_one_pct: OnePct
    twin_flips: FlipSet
    """Sticky strike alone, without bands."""
    levels: Levels
    """As published: frozen before an expiry.  Without profiles."""
    live_levels: Levels
    """As they are, with profiles."""
    is_frozen: bool
    warnings: tuple[str, ...]
    max_pain: tuple[MaxPain, ...]
    realised: tuple[Realised, ...]
    ladder: Ladder | None
    twin_ladder: Ladder | None
    reading: Reading
    typical: Typical
    call_wall: Standing
    put_wall: Standing
    magnet: Standing


def twin_of(source: str) -> str:
    """The source that stands beside the primary one: European beside ours, ours beside any other."""
    is_ours = source in (GreeksSource.SETTLEMENT_AVERAGE, GreeksSource.AUTO)
    return GreeksSource.EUROPEAN if is_ours else GreeksSource.SETTLEMENT_AVERAGE


def publish(
    state: FlowState,
    book: Book,
    settings: FlowSettings,
    *,
    vol: float | None,
    volume_24h_usd: float | None,
    with_ladder: bool,
) -> tuple[FlowState, Publication]:
    """Take in one book.

    Parameters
    ----------
    vol : fraction: the vol that moves are measured in, DVOL or at the money; None: not known.
    volume_24h_usd : of perpetuals and spot; None: not known.
    with_ladder : whether this publish has the ladder.
    """
    now_ns, s = book.now_ns, book.index_price
    twin = twin_of(settings.greeks_source)
    ours, theirs = exposures(book, settings), exposures(book, settings, twin)
    flips = flip_set(book, settings)
    stand = walls(book, ours, settings)

    pressure, realised = step_pressure(state.pressure, pressure_base(book, ours, vol, settings), settings)
    typical_tables = step_typical(state.typical, now_ns, realised, volume_24h_usd, settings)
    typical = typical_of(typical_tables, now_ns, settings)
    realised = normalised(realised, state.pressures, now_ns, typical.adv_usd, settings)
    reading = read_scenario(book, ours, state.tables, typical, settings, state.scenario.scenario)
    scenario = step_scenario(state.scenario, reading, settings)
    tables, pressures = _step_tables(state, now_ns, ours, reading, realised, settings)
    regime = step_regime(state.regime, flips.flips[SmileRule.STICKY_STRIKE, Variant.ALL], s, settings)

    live = Levels(flips, stand, regime.regime, scenario.scenario)
    next_expiry_ns = int(book.expiry_ns.min()) if book.expiry_ns.size else None
    kept = without_profiles(live)
    frozen, levels, warnings = step_freeze(state.frozen, now_ns, next_expiry_ns, kept, settings)
    call_wall = step_standing(state.call_wall, now_ns, _strike(levels.walls.call_wall), s, settings)
    put_wall = step_standing(state.put_wall, now_ns, _strike(levels.walls.put_wall), s, settings)
    magnet = step_standing(state.magnet, now_ns, _strike(levels.walls.magnet), s, settings)
    publication = Publication(
        exposures=ours,
        one_pct=one_pct(book, ours, settings),
        twin_exposures=theirs,
        twin_one_pct=one_pct(book, theirs, settings, twin),
        twin_flips=flip_set(book, settings, twin, with_bands=False, rules=(SmileRule.STICKY_STRIKE,)),
        levels=levels,
        live_levels=live,
        is_frozen=frozen.expiry_ns is not None,
        warnings=(*ours.label.warnings, *warnings),
        max_pain=max_pain(book),
        realised=realised,
        ladder=ladder(book, settings, adv_usd=typical.adv_usd) if with_ladder else None,
        twin_ladder=ladder(book, settings, twin, adv_usd=typical.adv_usd) if with_ladder else None,
        reading=reading,
        typical=typical,
        call_wall=call_wall,
        put_wall=put_wall,
        magnet=magnet,
    )
    return FlowState(
        regime, frozen, call_wall, put_wall, magnet, pressure, typical_tables, tables, scenario, pressures
    ), publication


def _strike(wall: Wall | None) -> float | None:
    return None if wall is None else wall.strike


def _step_tables(
    state: FlowState,
    now_ns: int,
    ours: Exposures,
    reading: Reading,
    realised: tuple[Realised, ...],
    settings: FlowSettings,
) -> tuple[ScenarioTables, PressureTables]:
    """Histories of NGI, of the gamma at the pin and of the realised pressure; a book of low coverage is no sample."""
    if is_low(ours.coverage, settings):
        return state.tables, state.pressures
    pin = None if reading.pin is None else reading.pin.gex_usd
    tables = ScenarioTables(
        step_table(state.tables.ngi_usd, now_ns, ours.totals.ngi_usd, settings),
        step_table(state.tables.pin_gex_usd, now_ns, pin, settings),
    )
    return tables, step_pressure_tables(state.pressures, now_ns, [item.hpp_usd for item in realised], settings)
