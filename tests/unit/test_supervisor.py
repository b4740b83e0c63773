"""The supervisor: ids, backoff, restarts; and with real child processes, stopping without a leftover."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from streams.supervisor import Backoff, Slot, meaning_of, parse_workers, slots_for
from tests.kafka_fixtures import eventually


@pytest.mark.parametrize(
    ("text", "ids"),
    [("1", [0]), ("4", [0, 1, 2, 3]), ("16", list(range(16))), ("0-7", list(range(8))), ("8-15", list(range(8, 16))),
     ("0,3,5-7", [0, 3, 5, 6, 7]), ("7-7", [7])],
)  # fmt: skip
def test_workers_are_a_number_a_range_or_a_list(text: str, ids: list[int]) -> None:
    assert parse_workers(text) == ids


@pytest.mark.parametrize("text", ["0", "17", "8-16", "", "a", "7-3", "-1", "1-", "1,,2"])
def test_other_workers_are_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="--workers"):
        parse_workers(text)


def test_two_hosts_share_the_sixteen_without_overlap() -> None:
    assert parse_workers("0-7") + parse_workers("8-15") == parse_workers("16")


def test_the_first_restart_is_at_once_and_later_ones_wait_longer_up_to_a_bound() -> None:
    delays = [Backoff().delay_s(n) for n in range(1, 12)]
    assert delays[0] == 0.0
    assert delays == sorted(delays)
    assert delays[-1] == Backoff().most_s


def test_a_slot_that_lived_long_is_forgiven() -> None:
    slot, backoff = Slot("w", ()), Backoff(forgive_s=60.0)
    now_s = 100.0
    for _ in range(4):
        slot.started(now_s)
        slot.died(now_s + 1.0, backoff)
    assert slot.n_deaths == 4
    slot.started(200.0)
    assert slot.died(261.0, backoff) == 0.0
    assert (slot.n_deaths, slot.n_restarts) == (1, 5)


def test_a_slot_is_due_when_its_delay_is_over() -> None:
    slot, backoff = Slot("w", ()), Backoff(first_s=0.5)
    slot.started(10.0)
    assert slot.due_s is None
    slot.died(11.0, backoff)
    assert slot.due_s == 11.0
    slot.started(11.0)
    slot.died(12.0, backoff)
    assert slot.due_s == 12.5
    slot.kill_due_s = 12.0  # of the process that has gone
    slot.started(12.5)
    assert slot.kill_due_s is None


def test_an_ingest_that_was_superseded_is_not_started_again() -> None:
    *_, ingest = slots_for([0], "sim", ingest=("--url", "ws://x"))
    ingest.started(1.0)
    assert ingest.died(2.0, Backoff(), status=66) is None
    assert (ingest.is_over, ingest.due_s, ingest.n_restarts) == (True, None, 0)
    other = slots_for([0], "sim")[0]
    other.started(1.0)
    assert other.died(2.0, Backoff(), status=66) == 0.0


def test_slots_carry_static_ids_namespace_and_ingest() -> None:
    slots = slots_for([0, 12], "sim", ingest=("--url", "ws://x"))
    assert [slot.arguments for slot in slots] == [
        ("worker", "--id", "0", "--namespace", "sim"),
        ("worker", "--id", "12", "--namespace", "sim"),
        ("ingest", "--url", "ws://x", "--namespace", "sim"),
    ]
    assert slots[1].name == "worker-12"


def test_dealer_flow_is_one_more_child_and_is_started_again_unless_another_has_taken_over() -> None:
    """DESIGN 1, rule 5; with the same pauses as a worker."""
    *_, flow, ingest = slots_for([0], "sim", ingest=("--url", "ws://x"), metrics_port=9400, has_flow=True)
    assert flow.arguments == ("flow-service", "--namespace", "sim") and not flow.reports
    assert dict(flow.environ) == {"GREEKSTREAM_METRICS_PORT": "9418"} and ingest.name == "ingest"
    worker = slots_for([0], "sim")[0]
    for child in (worker, flow):
        for at_s in (1.0, 3.0, 6.0):
            child.started(at_s)
            child.died(at_s + 1.0, Backoff(), status=1)
    assert (flow.due_s, flow.n_restarts) == (worker.due_s, worker.n_restarts) == (8.0, 3)
    flow.started(9.0)
    assert flow.died(10.0, Backoff(), status=66) is None and flow.is_over
    assert "standby" in meaning_of(66)


def test_cme_and_its_merge_are_two_more_children_where_a_folder_is_given() -> None:
    """Both read the same folder: marks from its options, shares from its futures' open interest."""
    *_, flow, cme, merge = slots_for([0], "sim", metrics_port=9400, has_flow=True, cme_folder="files")
    assert flow.name == "flow" and (cme.name, merge.name) == ("cme", "merge")
    assert cme.arguments == ("cme", "files", "--follow", "--namespace", "sim")
    assert merge.arguments == ("merge", "--open-interest", "files", "--namespace", "sim")
    assert [slot.environ["GREEKSTREAM_METRICS_PORT"] for slot in (cme, merge)] == ["9419", "9420"]
    assert not cme.reports and not merge.reports


def test_slots_have_ports_of_their_own_and_only_workers_report() -> None:
    slots = slots_for([0, 12], "sim", ingest=("--url", "ws://x"), metrics_port=9400)
    assert [dict(slot.environ) for slot in slots] == [
        {"GREEKSTREAM_METRICS_PORT": port} for port in ("9401", "9413", "9417")
    ]
    assert [slot.reports for slot in slots] == [True, True, False]
    # without one nobody takes the supervisor's own from the environment
    assert dict(slots_for([0], "sim")[0].environ) == {"GREEKSTREAM_METRICS_PORT": "0"}


def test_statuses_have_a_meaning() -> None:
    assert meaning_of(-9) == "killed by SIGKILL"
    assert "newer schema" in meaning_of(65)


CHILD = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
RUN = """
import sys
from streams.supervisor import Backoff, Slot, Supervisor
from streams import logs
logs.configure()
slots = [Slot(f"child-{i}", ("-c", code)) for i, code in enumerate(sys.argv[2:])]
supervisor = Supervisor(slots, stop_within_s=float(sys.argv[1]), command=(sys.executable,), backoff=Backoff(first_s=0.1))
raise SystemExit(supervisor.run())
"""


class Running:
    """A supervisor in a process of its own, its events read from its stderr."""

    def __init__(self, path: Path, stop_within_s: float, *codes: str) -> None:
        self.path = path
        with path.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-c", RUN, str(stop_within_s), *codes], stderr=log)

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.path.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def n_up(self) -> int:
        """Children that have installed their signal handlers, and that the supervisor has told of: a child may be the sooner one."""
        return min(self.path.read_text().splitlines().count("up"), len(self.pids()))

    def pids(self) -> list[int]:
        return [line["pid"] for line in self.events("worker_started") + self.events("worker_restarted")]


SILENT = """
import os, signal, time
signal.signal(15, signal.SIG_IGN)
os.write(int(os.environ["GREEKSTREAM_WORKER_REPORT_FD"]), b'{"worker":0,"generation":1,"n_events":5,"is_catching_up":false,'
    b'"handed":{"4":10},"n_handed":{"4":1},"n_listed":100,"n_priced":100,"listed_usd":1.0,"priced_usd":1.0,"reasons":[]}\\n')
print("up", flush=True)
time.sleep(600)
"""
WATCHED = """
import sys, time
from streams.metrics import MetricsSettings
from streams.supervisor import Slot, Supervisor
from streams.supervisor.readouts import page, readiness, samples
from streams.supervisor.vitals import Vitals
from streams import logs
logs.configure()

class Growing:
    def newest(self):
        return {partition: int(time.monotonic() * 100) for partition in range(16)}

class Told:
    def put(self, figures):
        counts = samples(figures)["watchdog_restarts_total"], samples(figures)["restarts_total"]
        print(*[list(item.values()) for item in counts], readiness(figures, MetricsSettings()).reasons, flush=True, file=sys.stderr)

supervisor = Supervisor(
    [Slot("worker-00", ("-c", sys.argv[1]), reports=True)], stop_within_s=0.5, command=(sys.executable,), kill_after_s=0.5,
    look_s=0.1, vitals=Vitals(Growing(), 0.5), page=Told(),
)
raise SystemExit(supervisor.run())
"""


def test_a_worker_that_reads_nothing_is_killed_when_sigterm_does_not_help_started_again_and_counted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "watched.log"
    with path.open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", WATCHED, SILENT], stderr=log)

    def events(name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    try:
        eventually(lambda: events("worker_restarted"))
        (ended,) = events("watchdog_ends")
        (exited,) = events("worker_exited")
        assert ended["pid"] == exited["pid"] == events("worker_started")[0]["pid"]
        assert "records unread" in ended["why"]
        assert exited["meaning"] == "killed by SIGKILL"
        # its page: one restart, and that by the watchdog
        eventually(lambda: "[1] [1]" in path.read_text())
        assert "[0] [0] ()" in path.read_text(), "before, it was ready"
    finally:
        process.terminate()
        process.wait(20)
        for line in events("worker_started") + events("worker_restarted"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(line["pid"], signal.SIGKILL)
    assert sum(events("stopped")[0]["watchdog_restarts"].values()) >= 1


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(stop_within_s: float, *codes: str) -> Running:
        one = Running(tmp_path / f"{len(started)}.log", stop_within_s, *codes)
        started.append(one)
        return one

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        for pid in one.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_children_cleanly(running: Callable[..., Running], number: signal.Signals) -> None:
    one = running(10.0, CHILD, CHILD)
    eventually(lambda: one.n_up() == 2)
    one.process.send_signal(number)
    assert one.process.wait(20) == 0
    assert gone(one.pids())
    assert one.events("stopped")[0]["killed"] == []


def test_a_dead_child_is_started_again_and_counted(running: Callable[..., Running]) -> None:
    one = running(10.0, CHILD)
    eventually(lambda: one.n_up() == 1)
    os.kill(one.pids()[0], signal.SIGKILL)
    eventually(lambda: len(one.events("worker_restarted")) == 1)
    assert one.events("worker_exited")[0]["meaning"] == "killed by SIGKILL"
    assert one.events("worker_restarted")[0]["restarts"] == 1


def test_a_child_that_does_not_stop_is_killed_after_the_deadline(running: Callable[..., Running]) -> None:
    one = running(0.5, STUBBORN)
    eventually(lambda: one.n_up() == 1)
    one.process.terminate()
    assert one.process.wait(20) == 1
    assert gone(one.pids())
    assert one.events("stopped")[0]["killed"] == ["child-0"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of their parent's end on Linux only")
def test_no_child_outlives_a_supervisor_that_was_killed(running: Callable[..., Running]) -> None:
    one = running(10.0, CHILD, CHILD)
    eventually(lambda: one.n_up() == 2)
    pids = one.pids()
    one.process.kill()
    one.process.wait()
    eventually(lambda: gone(pids))
