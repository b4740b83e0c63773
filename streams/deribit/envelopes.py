"""The JSON-RPC envelope: which of the protocol's few message forms a frame is, before anybody looks at its data."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from streams.deribit.events import Unreadable

LARGEST_FRAME = 16 * 1024 * 1024  # get_instruments of one currency is about 1 MB; any currency 5 MB
PAYLOAD_KEPT = 64 * 1024  # DeadLetter's limit
LARGEST_ID = 2**53
NS_PER_US = 1_000
_LAST_US = 4_102_444_800_000_000


class Notification(NamedTuple):
    channel: str
    data: Any


class Answer(NamedTuple):
    """``venue_ns``: when the venue sent it (its usOut), ns UTC; None when it does not say."""

    request_id: int | None
    result: Any
    venue_ns: int | None


class Refusal(NamedTuple):
    """A JSON-RPC error; without an id when the request itself could not be read (an oversized subscribe)."""

    request_id: int | None
    code: int
    message: str


class Heartbeat(NamedTuple):
    is_test_request: bool


class Request(NamedTuple):
    """A request: what clients send; coming from the venue it is an echo in a recording."""

    request_id: int | None
    method: str
    params: dict[str, Any]


Envelope = Notification | Answer | Refusal | Heartbeat | Request


def unreadable(reason: str, detail: str, frame: str | bytes) -> Unreadable:
    """An Unreadable that keeps at most 64 KiB of the frame."""
    head = frame[:PAYLOAD_KEPT]
    payload = head.encode("utf-8", "backslashreplace") if isinstance(head, str) else bytes(head)
    return Unreadable(reason, detail[:200], payload[:PAYLOAD_KEPT])


def open_envelope(frame: str | bytes, max_bytes: int = LARGEST_FRAME) -> Envelope | Unreadable:
    """The frame as one of the protocol's forms; Unreadable for anything else, never an exception.

    A frame beyond ``max_bytes`` is not parsed at all; nesting is bounded by the parser (1 024 deep).
    """
    if len(frame) > max_bytes:
        return unreadable("too_large", f"{len(frame)} characters or bytes, limit {max_bytes}", frame)
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        return unreadable("not_json", str(error), frame)
    if type(message) is not dict:
        return unreadable("not_an_object", f"a JSON {type(message).__name__}", frame)
    if "method" in message:
        return _from_method(message, frame)
    if "error" in message:
        return _refusal(message, frame)
    if "result" in message:
        return Answer(_request_id(message), message["result"], _venue_ns(message))
    return unreadable("not_a_message", "no method, result or error", frame)


def _from_method(message: dict[str, Any], frame: str | bytes) -> Envelope | Unreadable:
    method, params = message["method"], message.get("params", {})
    if type(method) is not str or type(params) is not dict:
        return unreadable("not_a_message", "method is no string or params no object", frame)
    if method == "subscription":
        channel = params.get("channel")
        if type(channel) is not str or "data" not in params:
            return unreadable("not_a_message", "a notification without channel or data", frame)
        return Notification(channel, params["data"])
    if method == "heartbeat":
        return Heartbeat(params.get("type") == "test_request")
    if "/" in method:
        return Request(_request_id(message), method, params)
    return unreadable("not_a_message", f"unknown method {method!r:.60}", frame)


def _refusal(message: dict[str, Any], frame: str | bytes) -> Refusal | Unreadable:
    error = message["error"]
    if type(error) is not dict or type(error.get("code")) is not int:
        return unreadable("not_a_message", "an error without a code", frame)
    text = str(error.get("message", ""))[:200]
    reason = error["data"].get("reason") if type(error.get("data")) is dict else None
    if type(reason) is str:
        text = f"{text}: {reason[:200]}"
    return Refusal(_request_id(message), error["code"], text)


def _request_id(message: dict[str, Any]) -> int | None:
    value = message.get("id")
    return value if type(value) is int and 0 <= value <= LARGEST_ID else None


def _venue_ns(message: dict[str, Any]) -> int | None:
    value = message.get("usOut")
    return value * NS_PER_US if type(value) is int and 0 < value < _LAST_US else None
