"""Metrics in general: names by convention, Prometheus's text, and the page that never holds its loop up."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams import settings as settings_module
from streams.metrics import (
    Distribution,
    MetricsError,
    MetricsSettings,
    Page,
    Readiness,
    check_free,
    port_of_cme,
    port_of_flow,
    port_of_ingest,
    port_of_merge,
    port_of_worker,
    serve,
    why_not_covered,
)
from streams.metrics.exposition import as_text, registry_of
from streams.metrics.server import REQUEST_S, Handler, Server
from streams.metrics.table import COUNTER, HISTOGRAM, ROLES, Metric, series_names

EVERY = [(role, metric) for role, metrics in ROLES.items() for metric in metrics]


@pytest.mark.parametrize(("role", "metric"), EVERY, ids=lambda x: x if isinstance(x, str) else x.name)
def test_names_follow_prometheus_convention(role: str, metric: Metric) -> None:
    assert (metric.kind == COUNTER) == metric.name.endswith("_total"), "what only grows says so, and nothing else does"
    words = metric.name.split("_")
    assert not {"ms", "ns", "us", "milliseconds", "mb", "kb", "percent", "pct", "minutes"} & set(words), (
        "base units only"
    )
    assert metric.name.isascii() and metric.name == metric.name.lower()
    assert metric.text.endswith("."), "HELP is a sentence"
    assert "le" not in metric.labels and metric.name not in ("info", "up")


def test_no_name_stands_twice() -> None:
    for metrics in ROLES.values():
        names = [metric.name for metric in metrics]
        assert len(names) == len(set(names))


def text_of(role: str, samples: Any) -> dict[str, float]:
    """Every sample of the exposition, read back by Prometheus's own parser."""
    families = text_string_to_metric_families(as_text(registry_of(role, lambda: samples)).decode())
    return {
        s.name + "".join(f"[{k}={v}]" for k, v in sorted(s.labels.items())): s.value
        for f in families
        for s in f.samples
    }


def test_samples_become_prometheus_text_with_their_labels() -> None:
    found = text_of("worker", {"results_total": {("greeks",): 7, ("latest",): 3}, "partitions_owned": {(): 4}})
    assert found["greekstream_worker_results_total[topic=greeks]"] == 7
    assert found["greekstream_worker_results_total[topic=latest]"] == 3
    assert found["greekstream_worker_partitions_owned"] == 4
    assert not any(name.startswith("greekstream_worker_coverage") for name in found), "what is not known is not there"
    assert found["process_resident_memory_bytes"] > 1e6


def test_a_histogram_has_rising_buckets_a_count_and_a_sum() -> None:
    content = Distribution(((0.5, 2), (1.0, 5), (math.inf, 6)), 9.25)
    found = text_of("worker", {"latency_seconds": {(): content}})
    stem = "greekstream_worker_latency_seconds"
    assert [found[f"{stem}_bucket[le={edge}]"] for edge in ("0.5", "1.0", "+Inf")] == [2, 5, 6]
    assert (found[f"{stem}_count"], found[f"{stem}_sum"]) == (6, 9.25)
    assert {f"{stem}_bucket", f"{stem}_count", f"{stem}_sum"} <= series_names()


def test_a_name_that_the_table_lacks_is_an_error_not_a_new_metric() -> None:
    with pytest.raises(KeyError, match="recrods_total"):
        text_of("worker", {"recrods_total": {(): 1}})


def test_only_one_metric_is_a_histogram() -> None:
    assert [metric.name for _, metric in EVERY if metric.kind == HISTOGRAM] == ["latency_seconds"]


@pytest.mark.parametrize(
    ("coverage", "by_interest", "reasons"),
    [
        (0.99, 0.99, []),
        (0.83, 1.0, ["coverage 0.830 < 0.99"]),
        (0.98996, None, ["coverage 0.989 < 0.99"]),
        (1.0, 0.5, ["coverage by open interest 0.500 < 0.99"]),
        (None, None, []),
    ],
)
def test_coverage_below_the_setting_is_said_in_figures(
    coverage: float | None, by_interest: float | None, reasons: list[str]
) -> None:
    assert why_not_covered(coverage, by_interest, 0.99) == reasons


class World:
    """A served page with a clock of its own; its figures are a number of partitions."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.page: Page[int] = Page("worker", self._samples, self._readiness, clock=lambda: self.now_s)
        self.before_samples: Any = lambda: None
        self.server = Server(("127.0.0.1", 0), self.page)
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def _samples(self, figures: int) -> Any:
        self.before_samples()
        return {"partitions_owned": {(): figures}}

    def _readiness(self, figures: int) -> Readiness:
        return Readiness(() if figures else ("no partition",), 1.0 if figures else None)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def world() -> Iterator[World]:
    one = World()
    yield one
    one.close()


def test_health_means_that_the_loop_turns(world: World) -> None:
    assert world.get("/health") == (503, "starting: the loop has not turned yet\n")
    world.page.put(4)
    assert world.get("/health") == (200, "ok\n")
    world.now_s += 9.0
    assert world.get("/health")[0] == 200
    world.now_s += 3.0
    assert world.get("/health") == (503, "the loop has not turned for 12 s\n")


def test_readiness_says_why_not_and_ends_with_health(world: World) -> None:
    assert world.get("/ready")[0] == 503
    world.page.put(0)
    status, body = world.get("/ready")
    assert (status, json.loads(body)["reasons"]) == (503, ["no partition"])
    world.page.put(4)
    status, body = world.get("/ready")
    assert (status, json.loads(body)) == (
        200,
        {"ready": True, "reasons": [], "coverage": 1.0, "open_interest_coverage": None},
    )
    world.now_s += 12.0
    status, body = world.get("/ready")
    assert (status, json.loads(body)["reasons"]) == (503, ["the loop has not turned for 12 s"])


def test_metrics_are_the_newest_figures_and_whether_they_are_ready(world: World) -> None:
    assert "greekstream_worker_ready 0.0" in world.get("/metrics")[1]
    world.page.put(3)
    status, body = world.get("/metrics")
    assert status == 200
    assert "greekstream_worker_partitions_owned 3.0" in body
    assert "greekstream_worker_ready 1.0" in body
    assert world.get("/secrets")[0] == 404


def test_a_defect_in_the_figures_is_an_answer_and_the_server_lives(world: World) -> None:
    world.page.put(3)

    def fail() -> None:
        raise ValueError("a defect")

    world.before_samples = fail
    assert world.get("/metrics") == (500, "ValueError: a defect\n")
    world.before_samples = lambda: None
    assert world.get("/metrics")[0] == 200


def test_a_scrape_that_hangs_does_not_hold_the_loop_up(world: World) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        go_on.wait(10)

    world.page.put(1)
    world.before_samples = hang
    scrape = threading.Thread(target=world.get, args=("/metrics",))
    scrape.start()
    try:
        assert asked.wait(10)
        began_s = time.monotonic()
        for figures in range(1_000):
            world.page.put(figures)
        assert time.monotonic() - began_s < 1.0
        assert scrape.is_alive()
    finally:
        go_on.set()
        scrape.join(10)


def test_a_client_that_says_nothing_is_dropped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Handler.timeout == REQUEST_S
    monkeypatch.setattr(Handler, "timeout", 0.2)
    world.page.put(1)
    with socket.create_connection(("127.0.0.1", world.port)):
        began_s = time.monotonic()
        assert world.get("/health")[0] == 200  # served after the silent one's time is over
        assert time.monotonic() - began_s < 3.0


def test_no_port_means_no_server() -> None:
    assert serve(Page("worker", lambda _: {}, lambda _: Readiness(())), MetricsSettings()) is None


def test_a_port_in_use_is_said_in_one_line_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        page: Page[int] = Page("worker", lambda _: {}, lambda _: Readiness(()))
        for attempt in (lambda: serve(page, MetricsSettings(port=port)), lambda: check_free("127.0.0.1", [port])):
            with pytest.raises(MetricsError, match=f"127.0.0.1:{port}.*GREEKSTREAM_METRICS_PORT") as raised:
                attempt()
            assert "\n" not in str(raised.value)
    check_free("127.0.0.1", [port])


def test_it_binds_to_loopback_and_is_off_unless_told_otherwise() -> None:
    assert (MetricsSettings().host, MetricsSettings().port) == ("127.0.0.1", 0)
    told = settings_module.load(MetricsSettings, "METRICS", {"GREEKSTREAM_METRICS_PORT": "9400"})
    assert told.port == 9400


@pytest.mark.parametrize("wrong", [{"port": -1}, {"port": 65_530}, {"ready_coverage": 1.01}, {"ready_lag": -1}])
def test_a_wrong_setting_is_refused_with_what_would_be_right(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="want"):
        MetricsSettings(**wrong)


def test_every_process_of_a_host_has_a_port_of_its_own() -> None:
    ports = [9400, *(port_of_worker(9400, i) for i in range(16)), port_of_ingest(9400), port_of_flow(9400)]
    ports += [port_of_cme(9400), port_of_merge(9400)]
    assert ports == list(range(9400, 9421))
    none = {port_of_worker(0, 5), port_of_ingest(0), port_of_flow(0), port_of_cme(0), port_of_merge(0)}
    assert none == {0}, "none stays none"
