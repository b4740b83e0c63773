"""Reads thresholds from a folder of ``greekstream history``, for a cold start: what was published before under our greeks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streams.flow.publish import FlowState
from streams.flow.seeding import Sample, seeded
from streams.flow.settings import FlowSettings
from streams.flow.typical import HOUR_MINUTES
from streams.flow_service.settings import FoldSettings

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
PER_SAMPLE = 10
"""Of the records of a sample's interval so many are looked at: the samples lie at most a tenth of it later than the service's own."""
_EXPOSURE, _REALISED = "exposures.list.element", "realised.list.element"
COLUMNS = (
    "currency", "ts_event_ns", "epoch", "log_offset", "is_final", "greeks_source", "numeraire", "volume_24h_usd", "pin_gex_usd",
    f"{_EXPOSURE}.ngi_usd", f"{_EXPOSURE}.n_used", f"{_EXPOSURE}.n_missing", f"{_EXPOSURE}.open_interest_share",
    f"{_REALISED}.minutes", f"{_REALISED}.spot_pct", f"{_REALISED}.vol_points", f"{_REALISED}.hpp_usd",
)  # fmt: skip


def seeds(settings: FoldSettings, flow: FlowSettings, say: Callable[..., None]) -> dict[str, FlowState]:
    """By currency; none, and why is said, where the folder cannot be read.  Of each currency the newest days that the tables hold."""
    if not settings.thresholds_from:
        return {}
    place = Path(settings.thresholds_from) / (settings.namespace or "live")
    try:
        from pyarrow import ArrowException

        from streams.history.store import StoreError
    except ImportError as error:
        say("flow_thresholds_not_read", why=f"{error}: pip install 'greekstream[history]'")
        return {}
    try:
        found = _read(place, flow)
    except (StoreError, ArrowException, OSError) as error:
        say("flow_thresholds_not_read", why=str(error))
        return {}
    if not found:
        say("flow_thresholds_not_read", why=f"no dealer flow in {place}; greekstream history writes it")
        return {}
    n_samples = {currency: sum(map(len, _ngi_times(state))) for currency, state in found.items()}
    say("flow_thresholds_read", folder=str(place), n_samples=n_samples)
    return found


def _read(place: Path, flow: FlowSettings) -> dict[str, FlowState]:
    from streams.history.store import files, span_of
    from streams.history.tables import TABLES

    by_currency: dict[str, list[Path]] = {}
    for path in files(place, TABLES["flow"]):
        by_currency.setdefault(path.parent.name.removeprefix("currency="), []).append(path)
    found = {}
    for currency, paths in sorted(by_currency.items()):
        oldest_ns = max(span_of(path)[1] for path in paths) - round(flow.table_days * DAY_NS)
        recent = sorted((path for path in paths if span_of(path)[1] >= oldest_ns), key=span_of)
        found[currency] = seeded((sample for path in recent for sample in _samples(path, flow)), flow)
    return found


def _ngi_times(state: FlowState) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return state.tables.ngi_usd.weekday.ts_ns, state.tables.ngi_usd.weekend.ts_ns


def _samples(path: Path, flow: FlowSettings) -> Iterator[Sample]:
    """Of one file: its final records under the same greeks and numeraire, thinned, ascending."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from streams.history.asof import newest_by

    rows = pq.ParquetFile(path).read(columns=list(COLUMNS))
    ours = pc.and_(
        rows["is_final"],
        pc.and_(
            pc.equal(rows["greeks_source"], str(flow.greeks_source)), pc.equal(rows["numeraire"], str(flow.numeraire))
        ),
    )
    rows = newest_by(rows.filter(ours), ("currency", "ts_event_ns"))
    cells = rows["ts_event_ns"].to_numpy() // max(1, round(flow.table_sample_s * NS_PER_S / PER_SAMPLE))
    for row in rows.take(pa.array(np.flatnonzero(np.diff(cells, prepend=-1) > 0))).to_pylist():
        yield _sample(row, flow)


def _sample(row: dict[str, Any], flow: FlowSettings) -> Sample:
    """The numbers that the service takes its samples from: of the first exposure, of the last hour's move, of each pressure."""
    primary = row["exposures"][0] if row["exposures"] else None
    is_sample = primary is not None and _share(primary) >= flow.coverage_min
    by_minutes = {item["minutes"]: item for item in row["realised"]}
    hour = by_minutes.get(HOUR_MINUTES, {})
    return Sample(
        row["ts_event_ns"],
        primary["ngi_usd"] if primary is not None and is_sample else None,
        row["pin_gex_usd"] if is_sample else None,
        hour.get("spot_pct"),
        hour.get("vol_points"),
        row["volume_24h_usd"],
        tuple(by_minutes.get(minutes, {}).get("hpp_usd") if is_sample else None for minutes in flow.realised_minutes),
    )


def _share(exposure: dict[str, Any]) -> float:
    """As ``sources.is_low`` has it."""
    share: float | None = exposure["open_interest_share"]
    n_options = exposure["n_used"] + exposure["n_missing"]
    return share if share is not None else exposure["n_used"] / n_options if n_options else 0.0
