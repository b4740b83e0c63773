"""The folder of a namespace: files, and the progress that says which of them count.

    <table>/day=2026-01-09/currency=BTC/0000000012-<first>-<last>.parquet   rows of one flush; ms of its first and last event
    _progress/<table>.json                                      how many flushes there are, which offsets are in

A flush writes all its files, each under another name first, and then the progress, each synchronised to disk: whatever a crash leaves
behind is a file whose number the progress does not have yet, and is removed by the next start.  So every offset is in exactly once.
One writer a folder (a lock); readers need none: they take the files that the progress has.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streams.history.ranges import Ranges, checked, with_range
from streams.history.rows import Part
from streams.history.tables import Table, arrow_schema

FORMAT = 1
NS_PER_MS = 1_000_000
NAME = re.compile(r"(\d{10})-(\d+)-(\d+)\.parquet")
ROW_GROUP = 65_536
PLACES = ("log_partition", "log_offset")


class StoreError(RuntimeError):
    """The folder cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Progress:
    """What is in a table."""

    log_id: str = ""
    """Kafka's id of the topic that the ranges are of; a topic made anew begins new ones."""
    n_flushes: int = 0
    ranges: Mapping[int, Ranges] = field(default_factory=dict)
    """Offsets that are in, by partition."""


def read_progress(place: Path, table: Table) -> Progress:
    """The progress of a table; an empty one where there is none.  StoreError where it cannot be read."""
    path = place / "_progress" / f"{table.name}.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if facts["format"] != FORMAT:
            raise StoreError(f"{path} has format {facts['format']}, this version reads {FORMAT}")
        ranges = {int(partition): checked(some) for partition, some in facts["ranges"].items()}
        return Progress(str(facts["log_id"]), int(facts["n_flushes"]), ranges)
    except FileNotFoundError:
        return Progress()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} is damaged ({error}); move the table's folder away and let it be written anew"
        ) from error


def files(place: Path, table: Table) -> list[Path]:
    """The files that count, in order of day, currency and flush."""
    n_flushes = read_progress(place, table).n_flushes
    return sorted(path for path in (place / table.name).glob("day=*/currency=*/*.parquet") if _number(path) < n_flushes)


def _number(path: Path) -> int:
    """Number of the flush that a file is of; of another file one that no progress has."""
    found = NAME.fullmatch(path.name)
    return int(found[1]) if found else 1 << 62


def span_of(path: Path) -> tuple[int, int]:
    """Event times of a file's rows lie in this span, ns; of another file in none."""
    found = NAME.fullmatch(path.name)
    return (int(found[2]) * NS_PER_MS, (int(found[3]) + 1) * NS_PER_MS) if found else (1, 0)


class Store:
    """The writer's side.  ``close`` gives the folder free."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "_progress").mkdir(parents=True, exist_ok=True)
        self._lock = (place / "_lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise StoreError(
                f"another process writes into {place}; one is enough, or give this one another folder"
            ) from error

    def close(self) -> None:
        self._lock.close()

    def begin(self, table: Table, log_id: str) -> Progress:
        """Remove what a crash has left, and say what is in; of another topic of this name nothing is."""
        progress = read_progress(self.place, table)
        for path in (self.place / table.name).glob("day=*/currency=*/*"):
            is_ours = NAME.fullmatch(path.name.removeprefix(".").removesuffix(".tmp")) is not None
            if is_ours and (path.suffix == ".tmp" or _number(path) >= progress.n_flushes):
                path.unlink()
        return progress if progress.log_id == log_id else Progress(log_id, progress.n_flushes)

    def flush(
        self, table: Table, progress: Progress, rows: Mapping[Part, list[pa.RecordBatch]], read: Mapping[int, Ranges]
    ) -> Progress:
        """Write rows, then that ``read`` (offsets by partition) is in; the new progress."""
        for part, some in rows.items():
            self._write(table, progress, part, some)
        ranges = dict(progress.ranges)
        for partition, some_ranges in read.items():
            for begin, end in some_ranges:
                ranges[partition] = with_range(ranges.get(partition, ()), begin, end)
        found = Progress(progress.log_id, progress.n_flushes + bool(rows), ranges)
        facts = {"format": FORMAT, "topic": table.topic.name, "log_id": found.log_id, "n_flushes": found.n_flushes}
        text = json.dumps({**facts, "ranges": {str(key): ranges[key] for key in sorted(ranges)}})
        path = self.place / "_progress" / f"{table.name}.json"
        with _replacing(path) as temporary:
            temporary.write_text(text, "utf-8")
        return found

    def _write(self, table: Table, progress: Progress, part: Part, some: list[pa.RecordBatch]) -> None:
        folder = self.place / table.name / f"day={part.day}" / f"currency={part.currency}"
        folder.mkdir(parents=True, exist_ok=True)
        schema = arrow_schema(table).with_metadata({"log_id": progress.log_id, "topic": table.topic.name})
        keys = [(name, "ascending") for name in (*table.key, *PLACES)]
        rows = pa.Table.from_batches(some).sort_by(keys).cast(schema)
        first, last = (max(0, edge.as_py()) // NS_PER_MS for edge in pc.min_max(rows["ts_event_ns"]).values())
        with _replacing(folder / f"{progress.n_flushes:010d}-{first}-{last}.parquet") as temporary:
            pq.write_table(rows, temporary, compression="zstd", row_group_size=ROW_GROUP)


@contextlib.contextmanager
def _replacing(path: Path) -> Any:
    """A path to write to, which becomes this one when all of it is on the disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    yield temporary
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
