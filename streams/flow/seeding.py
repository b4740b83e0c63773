"""Thresholds of labels from dealer flow published before: the same tables that the service which published it had (J5, H6).  Pure.

The records' own numbers go in, sample by sample, by the rules of ``percentiles``; weekdays and weekends apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from streams.flow.labels import ScenarioTables
from streams.flow.normalised import PressureTables, magnitude, step_pressure_tables
from streams.flow.percentiles import RollingTable, Table, step_table
from streams.flow.publish import FlowState
from streams.flow.settings import FlowSettings
from streams.flow.typical import TypicalTables


class Sample(NamedTuple):
    """What one final record of a currency says; None: not known."""

    ts_ns: int
    ngi_usd: float | None
    """None also at low coverage: such a book is no sample."""
    pin_gex_usd: float | None
    spot_1h_pct: float | None
    vol_1h_points: float | None
    volume_24h_usd: float | None
    hpp_usd: tuple[float | None, ...] = ()
    """By the settings' ``realised_minutes``, each None also at low coverage; empty: none is known."""


def seeded(samples: Iterable[Sample], settings: FlowSettings) -> FlowState:
    """A state that has nothing but the tables; samples ascending in time, one older than the last changes nothing."""
    spot, vol, volume, ngi, pin = (RollingTable(),) * 5
    pressures = PressureTables()
    for one in samples:
        ts_ns = one.ts_ns
        spot = step_table(spot, ts_ns, magnitude(one.spot_1h_pct), settings)
        vol = step_table(vol, ts_ns, magnitude(one.vol_1h_points), settings)
        volume = step_table(volume, ts_ns, one.volume_24h_usd, settings)
        ngi = step_table(ngi, ts_ns, one.ngi_usd, settings)
        pin = step_table(pin, ts_ns, one.pin_gex_usd, settings)
        if one.hpp_usd:
            pressures = step_pressure_tables(pressures, ts_ns, one.hpp_usd, settings)
    return FlowState(typical=TypicalTables(spot, vol, volume), tables=ScenarioTables(ngi, pin), pressures=pressures)


def before(state: FlowState, ts_ns: int) -> FlowState:
    """The seeded state without samples of that moment or later: a fold that begins in the past knows nothing of what followed."""
    typical, tables = state.typical, state.tables
    return state._replace(
        typical=TypicalTables(*(_before(table, ts_ns) for table in typical)),
        tables=ScenarioTables(*(_before(table, ts_ns) for table in tables)),
        pressures=PressureTables(tuple(_before(table, ts_ns) for table in state.pressures.hpp_usd)),
    )


def _before(table: RollingTable, ts_ns: int) -> RollingTable:
    return RollingTable(_cut(table.weekday, ts_ns), _cut(table.weekend, ts_ns))


def _cut(kind: Table, ts_ns: int) -> Table:
    n = sum(at < ts_ns for at in kind.ts_ns)
    return Table(kind.ts_ns[:n], kind.values[:n])
