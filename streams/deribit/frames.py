"""Frames with their receive times, and greekstream's own file of them: zstandard, one JSON line a frame.

First line: {"format": "greekstream-recording", "version": 1, "url": ...}.  Then {"t": receive ns UTC, "d": direction, "m": text} each.
The writer ends a compressed block every ``flush_s``, so that a recorder that is killed loses that much at most; a reader takes a file
that ends in the middle of a block or of a line as ended there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson
import zstandard

Direction = Literal["in", "out", "open", "http"]
DIRECTIONS = ("in", "out", "open", "http")
FORMAT, VERSION = "greekstream-recording", 1
WINDOW = 2**27  # files written with zstd --long=27
LONGEST_LINE = 64 * 1024 * 1024
_CHUNK = 1 << 20
_SECRETS = re.compile(r'"(client_id|client_secret|access_token|refresh_token)"\s*:\s*"[^"]*"')


class RecordingError(ValueError):
    """A file that is no recording, or is damaged; the message names the file and says what was expected."""


class Frame(NamedTuple):
    """One frame.  recv_ns: when it was received, or sent, ns UTC; 0: the recording does not say.

    direction: "in" from the venue, "out" from us, "open" a connection was opened (text: its URL), "http" an answer to a plain
    HTTP request (text: the URL, a space, the body).
    """

    recv_ns: int
    direction: Direction
    text: str


def without_secrets(text: str) -> str:
    """The text with the values of credentials and tokens masked, as an auth request and its answer carry them."""
    if "client_secret" in text or "_token" in text:
        return _SECRETS.sub(r'"\1":"***"', text)
    return text


class Writer:
    """Writes frames to a new file; refuses one that exists (FileExistsError).  Credentials and tokens are masked."""

    def __init__(self, path: Path, *, url: str = "", flush_s: float = 1.0):
        self._file = path.open("xb")
        compressor = zstandard.ZstdCompressor(level=6)
        self._zstd: Any = compressor.stream_writer(self._file, closefd=False)
        self._flush_ns, self._flushed_ns = int(flush_s * 1e9), 0
        self.n_frames = 0
        self._put({"format": FORMAT, "version": VERSION, "url": url})

    def write(self, frame: Frame) -> None:
        """Add a frame, and make what came before it durable in the file once ``flush_s`` has passed."""
        self._put({"t": frame.recv_ns, "d": frame.direction, "m": without_secrets(frame.text)})
        self.n_frames += 1
        if abs(frame.recv_ns - self._flushed_ns) >= self._flush_ns:
            self._flushed_ns = frame.recv_ns
            self.flush()

    def flush(self) -> None:
        """End the compressed block: what has been written can be read, whatever happens to this process."""
        self._zstd.flush(zstandard.FLUSH_BLOCK)
        self._file.flush()

    def close(self) -> None:
        self._zstd.close()
        self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, line: dict[str, Any]) -> None:
        self._zstd.write(orjson.dumps(line) + b"\n")


def lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """Lines of a plain or zstandard-compressed file, each with the bytes of the file read so far.

    A compressed file that ends early gives its whole lines; so does a damaged one, and then RecordingError.
    """
    with path.open("rb") as file:
        source: Any = file
        if path.suffix == ".zst":
            decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
            source = decompressor.stream_reader(file, read_across_frames=True)
        rest = b""
        while True:
            try:
                chunk = source.read(_CHUNK)
            except zstandard.ZstdError as error:
                raise RecordingError(f"{path}: damaged at byte {file.tell()} of the file: {error}") from error
            if not chunk:
                break
            whole, newline, rest_of_chunk = chunk.rpartition(b"\n")
            if not newline:
                rest += chunk
                if len(rest) > LONGEST_LINE:
                    raise RecordingError(f"{path}: a line beyond {LONGEST_LINE} bytes; not a recording")
                continue
            n_read = file.tell()
            for line in io.BytesIO(rest + whole):
                yield line.rstrip(b"\r\n"), n_read
            rest = rest_of_chunk
        if rest.strip():
            yield rest, file.tell()


def is_own(first_line: bytes) -> bool:
    """Whether a file with this first line is greekstream's own recording."""
    return first_line.startswith(b'{"format":"' + FORMAT.encode() + b'"')


def read_own(path: Path, on_progress: Callable[[int], None] | None = None) -> Iterator[Frame]:
    """Frames of greekstream's own recording; a last line that was cut off is left out."""
    broken: tuple[int, bytes] | None = None
    for number, (line, n_read) in enumerate(lines(path), 1):
        if broken is not None:
            raise RecordingError(f"{path}: line {broken[0]} is no frame: {broken[1][:80]!r}")
        if on_progress is not None:
            on_progress(n_read)
        if number == 1:
            _check_header(path, line)
            continue
        try:
            fields = orjson.loads(line)
            recv_ns, direction, text = fields["t"], fields["d"], fields["m"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            broken = (number, line)
            continue
        if type(recv_ns) is not int or direction not in DIRECTIONS or type(text) is not str:
            broken = (number, line)
            continue
        yield Frame(recv_ns, direction, text)


def _check_header(path: Path, line: bytes) -> None:
    header = orjson.loads(line) if is_own(line) else {}
    if header.get("version") != VERSION:
        raise RecordingError(f"{path}: version {header.get('version')} of {FORMAT}; this program reads {VERSION}")
