"""Bytes of a source, never more than was asked for: plain or zstd, bytes or an open binary file.

A few compressed bytes can stand for gigabytes, and a length field for anything.  So input goes through the decompressor in
small pieces, and what comes out is counted against the limits before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

import zstandard

from streams.cme.refused import Limits, Refused

Row = TypeVar("Row")

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
PIECE = 1 << 16
COMPRESSED_PIECE = 512
"""A block of zstd takes 4 bytes at least and expands to 128 KiB at most: a piece makes no more than 16 MiB."""
WINDOW_MAX = 1 << 27
"""What ``zstd --long=27`` writes."""


class Unreadable(Exception):
    """Why no more can be taken from a source; readers make a ``Refused`` of it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Source:
    """Reads forward only.  Raises Unreadable past a limit, or where the compression is damaged."""

    def __init__(self, source: bytes | BinaryIO, limits: Limits) -> None:
        self._data = memoryview(source) if isinstance(source, bytes) else None
        self._file = None if isinstance(source, bytes) else source
        self._limits = limits
        self._n_read = self._n_out = 0
        self._buffer = bytearray()
        self._start = 0
        self._is_ended = False
        head = self._raw(len(ZSTD_MAGIC))
        self._is_zstd = head == ZSTD_MAGIC
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._add(head)

    def take(self, n: int) -> bytes:
        """The next n bytes, fewer at the end."""
        while len(self._buffer) - self._start < n and not self._is_ended:
            self._fill()
        found = bytes(self._buffer[self._start : self._start + n])
        self._start += len(found)
        self._compact()
        return found

    def line(self) -> tuple[bytes, bool] | None:
        """The next line without its end, and whether that is all of it; None at the end of the source.

        Of a line longer than the limit the beginning comes, and the rest is skipped.
        """
        limit = self._limits.max_line_bytes
        kept: bytes | None = None
        while (end := self._buffer.find(b"\n", self._start)) < 0 and not self._is_ended:
            if len(self._buffer) - self._start > limit:
                kept = kept or self.take(limit)
                self._buffer.clear()
                self._start = 0
            self._fill()
        stop = len(self._buffer) if end < 0 else end
        piece = bytes(self._buffer[self._start : min(stop, self._start + limit)])
        is_whole = kept is None and stop - self._start <= limit
        is_over = end < 0 and stop == self._start and kept is None
        self._start = min(stop + 1, len(self._buffer))
        self._compact()
        return None if is_over else ((kept or piece).removesuffix(b"\r"), is_whole)

    def _compact(self) -> None:
        if self._start > PIECE:
            del self._buffer[: self._start]
            self._start = 0

    def _fill(self) -> None:
        """Another piece into the buffer, or the end."""
        piece = self._raw(COMPRESSED_PIECE if self._is_zstd else PIECE)
        if not piece:
            self._is_ended = True
            if self._frame is not None:
                raise Unreadable("compression", f"the zstd stream ends inside a frame, after {self._n_read} bytes")
            return
        self._add(piece)

    def _raw(self, n: int) -> bytes:
        """n bytes as given, fewer only at the end: what is read never depends on how a file cuts its answers."""
        if self._data is not None:
            piece = bytes(self._data[self._n_read : self._n_read + n])
        else:
            assert self._file is not None
            piece = b""
            while len(piece) < n and (more := self._file.read(n - len(piece))):
                piece += more
        self._n_read += len(piece)
        if self._n_read > self._limits.max_bytes:
            self._is_ended = True
            raise Unreadable("too-large", f"more than {self._limits.max_bytes} bytes")
        return piece

    def _add(self, piece: bytes) -> None:
        for out in self._expanded(piece) if self._is_zstd else (piece,):
            self._n_out += len(out)
            if self._n_out > self._limits.max_expanded_bytes:
                self._is_ended = True
                raise Unreadable("too-large", f"more than {self._limits.max_expanded_bytes} bytes when decompressed")
            self._buffer += out

    def _expanded(self, piece: bytes) -> list[bytes]:
        """Decompressed, over the borders of frames."""
        found = []
        while piece:
            try:
                if self._frame is None:
                    self._frame = zstandard.ZstdDecompressor(max_window_size=WINDOW_MAX).decompressobj()
                found.append(self._frame.decompress(piece))
                piece = self._frame.unused_data if self._frame.eof else b""
            except zstandard.ZstdError as error:
                self._is_ended, self._frame = True, None
                raise Unreadable("compression", f"{error} near byte {self._n_read}") from error
            if self._frame.eof:
                self._frame = None
        return found


def rows(
    source: bytes | BinaryIO,
    name: str,
    limits: Limits,
    check_header: Callable[[Source], None],
    row: Callable[[bytes, bool, str, int], Row],
) -> Iterator[Row | Refused]:
    """One thing for every line after the header; where no more can be taken, a last ``Refused`` that says why."""
    position = 0
    try:
        stream = Source(source, limits)
        check_header(stream)
        while (found := stream.line()) is not None:
            position += 1
            if position > limits.max_rows:
                raise Unreadable("too-large", f"more than {limits.max_rows} lines")
            yield row(*found, name, position)
    except Unreadable as error:
        yield Refused(name, position + 1 if position else 0, error.reason, error.detail)
