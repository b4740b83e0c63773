"""Errors of this room.

SchemaError
├── EncodeError     ours: a value that may not cross a topic (NaN, infinity, wrong type, too large)
├── DecodeError     theirs: bytes that are no record; goes to the dead letters
├── UnknownSchema   theirs: a well-formed frame of a schema that cannot be found or read; upgrade the reader first
└── BadName         a text that is no instrument name of the venue
"""

from __future__ import annotations


class SchemaError(Exception):
    """Root of the tree."""


class EncodeError(SchemaError, ValueError):
    """The record cannot be written; the message names record, field and value."""


class DecodeError(SchemaError, ValueError):
    """The bytes are no record; ``reason`` is one word for counters, the message has the rest."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class UnknownSchema(SchemaError, LookupError):
    """The frame is well formed, but its schema is not known here, or cannot be read as any record known here.

    ``key`` is the fingerprint (8 bytes, as on the wire) or the registry id (int).
    """

    def __init__(self, key: bytes | int, detail: str = "not among the packaged schemas") -> None:
        name = f"fingerprint {key.hex()}" if isinstance(key, bytes) else f"registry id {key}"
        super().__init__(f"schema with {name}: {detail}; upgrade readers before writers")
        self.key = key


class BadName(SchemaError, ValueError):
    """The text is no instrument name of the venue."""
