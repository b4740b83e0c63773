"""What an hour and a day usually bring: the yardsticks of the labels and of ``hpp_pct_adv``, from real moves and real volume."""

from __future__ import annotations

from typing import NamedTuple

from streams.flow.labels import Typical
from streams.flow.percentiles import RollingTable, median, step_table
from streams.flow.pressure import Realised
from streams.flow.settings import FlowSettings

HOUR_MINUTES = 60.0


class TypicalTables(NamedTuple):
    """Histories of the magnitude of the hour's moves, and of the 24-h volume."""

    spot_1h_pct: RollingTable = RollingTable()
    vol_1h_points: RollingTable = RollingTable()
    volume_24h_usd: RollingTable = RollingTable()


def step_typical(
    tables: TypicalTables,
    ts_ns: int,
    realised: tuple[Realised, ...],
    volume_24h_usd: float | None,
    settings: FlowSettings,
) -> TypicalTables:
    """Take in one publish: the hour's move if it is known, and the 24-h volume of perpetuals and spot (None: not known)."""
    move = next((item.move for item in realised if item.minutes == HOUR_MINUTES), None)
    has_vol = any(item.minutes == HOUR_MINUTES and item.vol_usd is not None for item in realised)
    return TypicalTables(
        step_table(tables.spot_1h_pct, ts_ns, None if move is None else abs(move.spot_pct), settings),
        step_table(
            tables.vol_1h_points, ts_ns, abs(move.vol_points) if move is not None and has_vol else None, settings
        ),
        step_table(tables.volume_24h_usd, ts_ns, volume_24h_usd, settings),
    )


def typical_of(tables: TypicalTables, ts_ns: int, settings: FlowSettings) -> Typical:
    """Medians of the moment's kind of day."""
    return Typical(
        median(tables.spot_1h_pct, ts_ns, settings),
        median(tables.vol_1h_points, ts_ns, settings),
        median(tables.volume_24h_usd, ts_ns, settings),
    )
