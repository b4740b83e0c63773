"""/metrics, /health, /ready over HTTP, in a daemon thread: the loop it tells of never waits for it.

One request at a time, none longer than two seconds: sixteen workers share the machine with what they serve.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry

from streams.metrics.exposition import CONTENT_TYPE, as_text, registry_of
from streams.metrics.page import Page
from streams.metrics.settings import MetricsSettings

REQUEST_S = 2.0
OK, UNAVAILABLE, NOT_FOUND = 200, 503, 404


class MetricsError(RuntimeError):
    """The page cannot be served; the message says why and what to do."""


class Server(HTTPServer):
    """A page at an address."""

    def __init__(self, address: tuple[str, int], page: Page[Any]) -> None:
        self.page = page
        self.registry: CollectorRegistry = registry_of(page.role, page.samples)
        self.address_family = _family_of(address[0])
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Without the standard one's look-up of our name, which may wait for a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; a defect of ours is the answer 500 of ``do_GET``."""


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    timeout: ClassVar[float] = REQUEST_S
    server: Server
    server_version, sys_version = "greekstream", ""

    def do_GET(self) -> None:
        try:
            status, kind, body = self._answer(self.path.partition("?")[0])
        except Exception as error:  # said to who asks; the pipeline goes on
            status, kind, body = 500, "text/plain", f"{type(error).__name__}: {error}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        page = self.server.page
        if path == "/metrics":
            return OK, CONTENT_TYPE, as_text(self.server.registry)
        if path == "/health":
            why_not = page.why_unhealthy()
            return UNAVAILABLE if why_not else OK, "text/plain; charset=utf-8", f"{why_not or 'ok'}\n".encode()
        if path == "/ready":
            found = page.readiness()
            body = {"ready": found.is_ready, **found._asdict()}
            return OK if found.is_ready else UNAVAILABLE, "application/json", json.dumps(body).encode() + b"\n"
        return NOT_FOUND, "text/plain", b"here are /metrics, /health and /ready\n"

    def log_message(self, format: str, *args: Any) -> None:
        """A line a scrape would drown the pipeline's own."""


def serve(page: Page[Any], settings: MetricsSettings) -> Server | None:
    """Serve the page from now on; None when no port is set.  MetricsError when the address cannot be had."""
    if not settings.port:
        return None
    try:
        server = Server((settings.host, settings.port), page)
    except OSError as error:
        raise MetricsError(_why(settings.host, settings.port, error)) from error
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, name="metrics", daemon=True).start()
    return server


def check_free(host: str, ports: Iterable[int]) -> None:
    """MetricsError, before anything is started, when one of the ports cannot be had."""
    for port in ports:
        with socket.socket(_family_of(host)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                probe.listen(1)
            except OSError as error:
                raise MetricsError(_why(host, port, error)) from error


def _family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _why(host: str, port: int, error: OSError) -> str:
    return (
        f"metrics cannot be served at {host}:{port}: {error.strerror or error}; "
        "set GREEKSTREAM_METRICS_PORT to a free port, or to 0 for none"
    )
