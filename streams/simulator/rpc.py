"""JSON-RPC 2.0 as the venue speaks it: requests read, answers and errors written, credits counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, PARSE_ERROR = -32600, -32601, -32602, -32700
TOO_MANY_REQUESTS, NOT_FOUND, RAW_UNAUTHORIZED, UNAUTHORIZED = 10028, 13020, 13778, 13009

_NOTIFICATION_HEAD = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"'


class RpcError(Exception):
    """An error answer: the venue's code and message, and what it says in ``data``."""

    def __init__(self, code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.data = code, message, data


def invalid(param: str, reason: str) -> RpcError:
    return RpcError(INVALID_PARAMS, "Invalid params", {"param": param, "reason": reason})


@dataclass(frozen=True, slots=True)
class Request:
    id: Any
    method: str
    params: dict[str, Any]


def parse(frame: str | bytes) -> Request:
    """Read one request; raises RpcError for what is none."""
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise RpcError(PARSE_ERROR, "Parse error", {"reason": str(error)}) from error
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        raise RpcError(INVALID_REQUEST, "Invalid Request")
    params = message.get("params") or {}
    if not isinstance(params, dict):
        raise invalid("params", "must be an object")
    return Request(message.get("id"), message["method"], params)


def result_frame(request_id: Any, result: Any, us_in: int, us_out: int) -> bytes:
    answer = {"jsonrpc": "2.0", "id": request_id, "result": result, **_times(us_in, us_out)}
    if request_id is None:
        del answer["id"]
    return orjson.dumps(answer)


def error_frame(request_id: Any, error: RpcError, us_in: int, us_out: int) -> bytes:
    body: dict[str, Any] = {"message": error.message, "code": error.code}
    if error.data is not None:
        body["data"] = error.data
    answer = {"jsonrpc": "2.0", "id": request_id, "error": body, **_times(us_in, us_out)}
    if request_id is None:
        del answer["id"]
    return orjson.dumps(answer)


def _times(us_in: int, us_out: int) -> dict[str, Any]:
    return {"usIn": us_in, "usOut": us_out, "usDiff": us_out - us_in, "testnet": True}


def notification_frame(channel: str, data: bytes) -> bytes:
    """A subscription notification around data that is JSON already."""
    return b"".join((_NOTIFICATION_HEAD, channel.encode(), b'","data":', data, b"}}"))


def heartbeat_frame(kind: str) -> bytes:
    """``kind``: heartbeat or test_request."""
    return orjson.dumps({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}})


@dataclass(frozen=True, slots=True)
class Rate:
    """Credits: what a request costs, the most that can be saved up, and how many come back a second."""

    cost: float
    maximum: float
    refill_per_s: float


RATES = {
    "public/subscribe": Rate(3_000, 30_000, 10_000),
    "public/get_instruments": Rate(10_000, 500_000, 10_000),
}
DEFAULT_RATE = Rate(500, 50_000, 10_000)


class Credits:
    """The credits of one connection: a pool for every method with a rate of its own, and one for the rest."""

    def __init__(self) -> None:
        self._pools: dict[str, tuple[float, float]] = {}

    def take(self, method: str, now_s: float) -> bool:
        """Pay for one request at ``now_s`` (any monotonic clock, s); False when the pool is empty."""
        rate = RATES.get(method, DEFAULT_RATE)
        pool = method if method in RATES else ""
        left, since = self._pools.get(pool, (rate.maximum, now_s))
        left = min(rate.maximum, left + (now_s - since) * rate.refill_per_s)
        is_paid = left >= rate.cost
        self._pools[pool] = (left - rate.cost if is_paid else left, now_s)
        return is_paid


def encode(data: Any) -> bytes:
    return orjson.dumps(data)
