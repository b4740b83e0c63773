"""Recordings: frames of a file, of several or of a folder in the order of their times, and what they say.

    for frame in read(Path("recordings/"), since_ns=...):
        for event in decoder.events(frame): ...

Formats, told by content: greekstream's own (.jsonl.zst), raw websocket text (.txt), a chain of order-book rows (.jsonl, .jsonl.zst),
plain messages (.json, .jsonl).
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from streams.deribit.answers import Asked, answer_events
from streams.deribit.envelopes import Answer, Heartbeat, Notification, Refusal, Request, open_envelope
from streams.deribit.events import Event, Ignored, RequestFailed, Unreadable
from streams.deribit.foreign import Progress, is_order_book_row, read_chain, read_messages, read_raw_text
from streams.deribit.frames import Direction, Frame, RecordingError, Writer, is_own, lines, read_own
from streams.deribit.parse import notification_events

__all__ = ["Decoder", "Direction", "Frame", "RecordingError", "Writer", "files_of", "http_parts", "read"]

SUFFIXES = (".zst", ".txt", ".json", ".jsonl")
MOST_ASKED = 10_000  # requests of a recording whose answers are still to come
_SUBJECTS = ("currency", "instrument_name", "index_name")


def files_of(path: Path) -> list[Path]:
    """The recording files of a path: itself, or those of a folder by name (tables beside them, such as .csv, are left out)."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix in SUFFIXES)
        if not files:
            raise RecordingError(
                f"{path}: no recording in this folder (wanted: {', '.join('*' + s for s in SUFFIXES)})"
            )
        return files
    if not path.is_file():
        raise RecordingError(f"{path}: no such file or folder")
    return [path]


def read(
    *paths: Path | str,
    since_ns: int = 0,
    until_ns: int | None = None,
    on_progress: Callable[[Path, int], None] | None = None,
) -> Iterator[Frame]:
    """Frames of these files and folders, merged by receive time; each file has to be in order itself.

    since_ns, until_ns: only frames received at or after, and before (ns UTC).  on_progress(file, bytes read) is called now and
    then.  Errors: RecordingError, at the first frame for what is no recording.
    """
    files = [file for path in paths for file in files_of(Path(path))]
    sources = [_frames(file, since_ns, on_progress) for file in files]
    merged = sources[0] if len(sources) == 1 else heapq.merge(*sources, key=lambda frame: frame.recv_ns)
    for frame in merged:
        if until_ns is not None and frame.recv_ns >= until_ns:
            return
        if frame.recv_ns >= since_ns:
            yield frame


def _frames(path: Path, since_ns: int, on_progress: Callable[[Path, int], None] | None) -> Iterator[Frame]:
    progress: Progress = None if on_progress is None else partial(on_progress, path)
    if path.suffix == ".txt":
        yield from read_raw_text(path, progress)
        return
    if path.suffix == ".json":
        yield from read_messages(path)
        return
    first = next((line for line, _ in islice(lines(path), 1)), b"")
    if is_own(first):
        yield from read_own(path, progress)
    elif is_order_book_row(first):
        yield from read_chain(path, progress, since_ns)
    elif first.startswith(b"{"):
        yield from read_messages(path, progress)
    else:
        raise RecordingError(
            f"{path}: neither greekstream's recording nor order-book rows nor messages: {first[:60]!r}"
        )


def http_parts(text: str) -> tuple[Asked, str]:
    """What an "http" frame asked, and the answer's body."""
    url, _, body = text.partition(" ")
    try:
        parts = urlsplit(url)
        params = dict(parse_qsl(parts.query))
    except ValueError:
        return Asked(""), body
    method = parts.path.partition("/api/v2/")[2]
    return Asked(method, _subject(params)), body


def _subject(params: dict[str, str]) -> str:
    return next((params[name] for name in _SUBJECTS if isinstance(params.get(name), str)), "")


class Decoder:
    """Frames of a recording -> events, without a session: it learns from the outgoing frames what the answers answer.

    Bounded: remembers at most 10 000 requests.  Never raises on what a frame holds.
    """

    def __init__(self) -> None:
        self._asked: OrderedDict[int, Asked] = OrderedDict()
        self._newest_ns = 0

    def events(self, frame: Frame) -> list[Event]:
        """What a frame says; one that we sent is Ignored("outgoing"), an opened connection says nothing."""
        match frame.direction:
            case "open":
                self._asked.clear()
                return []
            case "out":
                self._remember(frame.text)
                return [Ignored("outgoing")]
            case "http":
                asked, body = http_parts(frame.text)
                return self._incoming(body, frame.recv_ns, asked)
            case _:
                return self._incoming(frame.text, frame.recv_ns, None)

    def _remember(self, text: str) -> None:
        request = open_envelope(text)
        if isinstance(request, Request) and request.request_id is not None:
            self._asked[request.request_id] = Asked(request.method, _subject(request.params))
            if len(self._asked) > MOST_ASKED:
                self._asked.popitem(last=False)

    def _incoming(self, text: str, recv_ns: int, asked: Asked | None) -> list[Event]:
        envelope = open_envelope(text)
        match envelope:
            case Notification(channel, data):
                events = notification_events(channel, data, self._newest_ns or recv_ns)
                if events and (ts_event_ns := getattr(events[-1], "ts_event_ns", 0)):
                    self._newest_ns = ts_event_ns
                return events
            case Answer(request_id, result, venue_ns):
                known = (
                    asked
                    if asked is not None
                    else self._asked.pop(request_id, None)
                    if request_id is not None
                    else None
                )
                return answer_events(known, result, venue_ns, recv_ns)
            case Refusal(request_id, code, message):
                known = self._asked.pop(request_id, None) if request_id is not None else None
                return [RequestFailed(known.method if known else "", code, message, False, None)]
            case Heartbeat(is_test_request):
                return [Ignored("test_request" if is_test_request else "heartbeat")]
            case Unreadable():
                return [envelope]
            case _:
                return [Ignored("request")]
