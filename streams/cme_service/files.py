"""Which files there are, and what is in them."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

from streams.cme.book import Book, Facts, step
from streams.cme.refused import Refused
from streams.cme.sources import CSV, kind_of, known_ns, rows_of

SUFFIXES = (".dbn", ".dbn.zst", ".csv", ".csv.zst")
"""What is taken of a folder; a file that is named is read whatever it is called."""
PIECE = 1 << 20
REPORT_ROWS = 4_096
N_EXAMPLES = 20
"""Refused rows of a file that are shown; all are counted."""
FIRST_DAY, LAST_DAY = date(2017, 12, 1), date(2037, 12, 31)
"""Days whose holidays are asked for: the first bitcoin future is of December 2017.  Fixed, so that the same files mean the same."""
LATE = "later than the moment"


class Stamp(NamedTuple):
    """What tells two states of a file apart without reading it."""

    n_bytes: int
    changed_ns: int


class FileRead(NamedTuple):
    """What a file held."""

    name: str
    kind: str
    sha256: str
    n_rows: Counter[str]
    """By type, ``refused <reason>``, ``ignored <what>``."""
    examples: tuple[Refused, ...]


def found(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """The files, those of folders and their folders among them, each once, in order of their paths.

    Hidden ones of a folder are left out: downloads in progress are often called so.
    """
    files: set[Path] = set()
    for path in paths:
        if path.is_dir():
            inside = (one for one in path.rglob("*") if one.name.endswith(SUFFIXES) and one.is_file())
            files |= {one for one in inside if not any(part[0] == "." for part in one.relative_to(path).parts)}
        else:
            files.add(path)
    stamps = {}
    for path in sorted(files):
        with contextlib.suppress(FileNotFoundError):  # gone since
            stat = path.stat()
            stamps[path] = Stamp(stat.st_size, stat.st_mtime_ns)
    return stamps


def facts_for(kind: str, facts: Facts) -> Facts:
    """Facts for a file of this kind: settlement files need the holidays of the United States, asked for once."""
    if kind != CSV or facts.us is not None:
        return facts
    from streams.cme.exchange_days import NEW_YORK, business_days

    return facts._replace(us=business_days(NEW_YORK, FIRST_DAY, LAST_DAY))


def digest_of(path: Path) -> str:
    """SHA-256 of its bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def read(
    path: Path, book: Book, facts: Facts, until_ns: int | None, on_progress: Callable[[int, int], None]
) -> FileRead:
    """Fold a file into the book; what became known after ``until_ns`` is left out and counted.

    ``on_progress(rows, bytes)`` is called every few thousand rows.  OSError where it cannot be read.
    """
    digest, before, n_late = digest_of(path), Counter(book.n_rows), 0
    examples: list[Refused] = []
    with path.open("rb") as file:
        kind = kind_of(file)
        for n, row in enumerate(rows_of(file, path.name, kind), 1):
            if n % REPORT_ROWS == 0:
                on_progress(n, file.tell())
            when_ns = known_ns(row)
            if until_ns is not None and when_ns is not None and when_ns > until_ns:
                n_late += 1
                continue
            if isinstance(row, Refused) and len(examples) < N_EXAMPLES:
                examples.append(row)
            step(book, row, facts)
    n_rows = book.n_rows - before + Counter({LATE: n_late})
    return FileRead(path.name, kind, digest, n_rows, tuple(examples))
