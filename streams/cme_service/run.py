"""Once over given files, or for ever over a folder."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from streams.cme.batch import Batch, batch, newest_ns
from streams.cme.book import Book, Facts
from streams.cme.quotes import MarkSettings
from streams.cme.roots import CME
from streams.cme.sources import kind_of
from streams.cme_service import files, index
from streams.cme_service.figures import Figures
from streams.cme_service.files import FileRead, Stamp
from streams.cme_service.publish import Publisher, name_of
from streams.cme_service.settings import CmeSettings
from streams.metrics import Page
from streams.settings import settings_hash

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
CURRENCIES = tuple(sorted({product.base_currency for product in CME.products.values()}))
Progress = Callable[[Path, int, int], None]
"""(file, rows, bytes) read of it so far."""


class Outcome(NamedTuple):
    """What became of a batch."""

    found: Batch | None
    """None: no file has a price or an open interest."""
    batch: str
    index_price_by_currency: dict[str, float]
    is_published: bool
    why: str
    """Where it was not published."""


@dataclass
class Reading:
    """A book and the files that are in it."""

    book: Book = field(default_factory=Book)
    facts: Facts = field(default_factory=Facts)
    stamps: dict[Path, Stamp] = field(default_factory=dict)
    reads: list[FileRead] = field(default_factory=list)

    @property
    def n_rows(self) -> Counter[str]:
        return sum((one.n_rows for one in self.reads), Counter())

    def take(self, path: Path, stamp: Stamp, until_ns: int | None, on_progress: Progress) -> None:
        """Read one more file.  OSError where it cannot be read."""
        with path.open("rb") as file:
            self.facts = files.facts_for(kind_of(file), self.facts)
        found = files.read(path, self.book, self.facts, until_ns, lambda n, n_bytes: on_progress(path, n, n_bytes))
        self.reads.append(found)
        self.stamps[path] = stamp


def told(
    reading: Reading, settings: CmeSettings, marks: MarkSettings, at_ns: int | None, publisher: Publisher, again: bool
) -> Outcome:
    """Publish the marks of what has been read, unless just that batch stands in Kafka already."""
    now_ns = newest_ns(reading.book) if at_ns is None else at_ns
    if now_ns is None:
        return Outcome(None, "", {}, False, "no file has a price or an open interest")
    prices = settings.index_price_by_currency()
    missing = [currency for currency in CURRENCIES if currency not in prices]
    prices |= index.index_at(publisher.bootstrap, settings.namespace, now_ns, missing, settings.index_max_age_s)
    found = batch(reading.book, now_ns, prices, reading.facts, marks, round(settings.over_days * DAY_NS))
    decides = settings_hash(marks, _Decides(settings.over_days))
    name = name_of((one.sha256 for one in reading.reads), now_ns, prices, decides, publisher.wire)
    if not again and publisher.published() == name.batch:
        return Outcome(found, name.batch, prices, False, "published before, by the progress in checkpoints.v1")
    publisher.publish(found.marks, name)
    return Outcome(found, name.batch, prices, True, "")


@dataclass(frozen=True)
class _Decides:
    """What decides a batch, beside the marks' settings."""

    over_days: float


def once(
    paths: Sequence[Path], settings: CmeSettings, marks: MarkSettings, at_ns: int | None, publisher: Publisher,
    again: bool, on_progress: Progress,
) -> tuple[Reading, Outcome]:  # fmt: skip
    """Read the files as they are now and publish one batch."""
    reading = Reading()
    for path, stamp in files.found(paths).items():
        reading.take(path, stamp, at_ns, on_progress)
    return reading, told(reading, settings, marks, at_ns, publisher, again)


def follow(
    paths: Sequence[Path],
    settings: CmeSettings,
    marks: MarkSettings,
    publisher: Publisher,
    page: Page[Figures],
    say: Callable[..., None],
    stop: threading.Event,
) -> None:
    """Publish a batch whenever files have come and are whole, until ``stop`` is set.

    A file that changes, or goes, makes everything be read anew: a book forgets nothing.
    """
    reading, figures = Reading(), Figures()
    while not stop.is_set():
        there = files.found(paths)
        if any(there.get(path) != stamp for path, stamp in reading.stamps.items()):
            say("read_anew", why="a file has changed or gone")
            reading = Reading()
        now_ns = time.time_ns()
        waiting = {path: stamp for path, stamp in there.items() if path not in reading.stamps}
        whole = {
            path: stamp for path, stamp in waiting.items() if now_ns - stamp.changed_ns > settings.settle_s * NS_PER_S
        }
        on_progress = _alive(page, figures)
        for path, stamp in whole.items():
            reading.take(path, stamp, None, on_progress)
            say("file", **as_fact(reading.reads[-1]))
        if whole:
            outcome = told(reading, settings, marks, None, publisher, again=False)
            say("marks", **as_facts(outcome))
            figures = _after(figures, reading, outcome)
        figures = replace(figures, is_caught_up=len(whole) == len(waiting))
        page.put(figures)
        stop.wait(settings.poll_s)


def _alive(page: Page[Figures], figures: Figures) -> Progress:
    """Progress that says no more than that the loop turns: a large file takes longer than health allows."""
    return lambda path, n_rows, n_bytes: page.put(figures)


def _after(figures: Figures, reading: Reading, outcome: Outcome) -> Figures:
    found = outcome.found
    return Figures(
        n_files=len(reading.reads),
        n_rows=dict(reading.n_rows),
        n_batches=figures.n_batches + outcome.is_published,
        n_marks=figures.n_marks + (len(found.marks) if found is not None and outcome.is_published else 0),
        marks_by_status={} if found is None else dict(found.n_by_status),
        as_of_ns=0 if found is None else found.now_ns,
    )


def as_fact(read: FileRead) -> dict[str, Any]:
    """A file for a summary or a log line."""
    return {"file": read.name, "kind": read.kind, "sha256": read.sha256, "rows": dict(sorted(read.n_rows.items()))}


def as_facts(outcome: Outcome) -> dict[str, Any]:
    """A batch for a summary or a log line."""
    found = outcome.found
    return {
        "batch": outcome.batch or None,
        "as_of_ns": None if found is None else found.now_ns,
        "index_prices": outcome.index_price_by_currency,
        "marks": 0 if found is None else len(found.marks),
        "marks_by_status": {} if found is None else dict(sorted(found.n_by_status.items())),
        "not_published": {
            "no_product_by_root": {} if found is None else dict(sorted(found.n_foreign.items())),
            "ended_before": 0 if found is None else found.n_over,
        },
        "is_published": outcome.is_published,
        "why_not": outcome.why or None,
    }
