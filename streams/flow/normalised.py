"""Realised hedge pressure against what is usual, apart for weekdays and weekends (DEFINITIONS 3.3, J5).

    hpp_pct_adv        100 hpp_usd / adv_usd, signed as the pressure is, adv_usd the median 24-h volume
    hpp_percentile     per cent of the samples of |hpp_usd| over the same horizon, of the same kind of day, at or below this |hpp_usd|

The samples are those that lie before: a pressure is not ranked among itself.  What is not known is null, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streams.flow.percentiles import RollingTable, rank_pct, step_table
from streams.flow.pressure import Realised, pct_of_adv
from streams.flow.settings import FlowSettings


class PressureTables(NamedTuple):
    """Histories of the magnitude of the realised hedge pressure."""

    hpp_usd: tuple[RollingTable, ...] = ()
    """By the settings' ``realised_minutes``; empty before the first publish."""

    def of(self, settings: FlowSettings) -> tuple[RollingTable, ...]:
        """A history for each horizon."""
        return self.hpp_usd or (RollingTable(),) * len(settings.realised_minutes)


def magnitude(value: float | None) -> float | None:
    """|value|; None stays None."""
    return None if value is None else abs(value)


def step_pressure_tables(
    tables: PressureTables, ts_ns: int, hpp_usd: Sequence[float | None], settings: FlowSettings
) -> PressureTables:
    """Take in one publish's pressures, by horizon, USD; one that is not known is no sample."""
    pairs = zip(tables.of(settings), hpp_usd, strict=True)
    return PressureTables(tuple(step_table(table, ts_ns, magnitude(value), settings) for table, value in pairs))


def normalised(
    realised: tuple[Realised, ...], tables: PressureTables, ts_ns: int, adv_usd: float | None, settings: FlowSettings
) -> tuple[Realised, ...]:
    """The pressures with both yardsticks.  ``tables`` : the histories before this moment; ``adv_usd`` : None without a volume."""
    return tuple(
        one._replace(
            hpp_pct_adv=None if one.hpp_usd is None else pct_of_adv(one.hpp_usd, adv_usd),
            hpp_percentile=rank_pct(table, ts_ns, magnitude(one.hpp_usd), settings),
        )
        for one, table in zip(realised, tables.of(settings), strict=True)
    )
