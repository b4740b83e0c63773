"""A stand-in for a schema registry: the few calls of Confluent's REST API that we and the client's deserializer make.

Loopback, in this process, in memory.  One schema has one id whatever its subjects, as in Confluent's own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class StandInRegistry:
    """What has been registered: ``subjects`` {subject: ids in the order of their versions}."""

    def __init__(self) -> None:
        self.url = ""
        self.subjects: dict[str, list[int]] = {}
        self.texts: list[str] = []
        self.asked: list[int] = []
        self._lock = threading.Lock()

    def register(self, subject: str, text: str) -> int:
        """Id of the schema, its subject noted."""
        with self._lock:
            if text not in self.texts:
                self.texts.append(text)
            number = self.texts.index(text) + 101  # not what a client that counts by itself would come to
            versions = self.subjects.setdefault(subject, [])
            if number not in versions:
                versions.append(number)
            return number

    def text(self, number: int) -> str | None:
        """The schema with this id."""
        self.asked.append(number)
        return self.texts[number - 101] if 101 <= number < 101 + len(self.texts) else None


def _handler(registry: StandInRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def _answer(self, status: int, body: dict[str, object]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            match urlsplit(self.path).path.split("/"):
                case ["", "subjects", subject, "versions"]:
                    self._answer(200, {"id": registry.register(unquote(subject), body["schema"])})
                case _:
                    self._answer(404, {"error_code": 404, "message": "not in this stand-in"})

        def do_GET(self) -> None:
            match urlsplit(self.path).path.split("/"):
                case ["", "schemas", "ids", number]:
                    text = registry.text(int(number))
                    if text is None:
                        self._answer(404, {"error_code": 40403, "message": f"Schema {number} not found"})
                    else:
                        self._answer(200, {"schema": text})
                case _:
                    self._answer(404, {"error_code": 404, "message": "not in this stand-in"})

    return Handler


@contextmanager
def stand_in_registry() -> Iterator[StandInRegistry]:
    """A running one; its ``url`` is for SCHEMA_REGISTRY_URL."""
    registry = StandInRegistry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(registry))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)
