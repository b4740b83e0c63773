"""Reports through a pipe: whole or not at all, the newest wins, nobody waits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from streams.reports import Listener, Report, decode, encode, teller
from streams.supervisor.vitals import Vitals


def report(n_events: int = 1) -> Report:
    handed = {partition: 10**12 + partition for partition in range(16)}
    return Report(3, 7, n_events, False, handed, handed, 100, 99, 5e9, 4.5e9, ("x" * 200,) * 5)


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    with closing(one):
        yield one
        with suppress(OSError):
            os.close(one.write_fd)


def test_a_report_survives_its_line() -> None:
    assert decode(encode(report())) == report()


def test_the_largest_report_is_written_whole_or_not_at_all() -> None:
    assert len(encode(report(10**15))) <= 4_096, "PIPE_BUF of Linux; POSIX asks for 512"


@pytest.mark.parametrize("line", [b"", b"junk", b"[]", b"{}", b'{"worker": 1, "handed": 3, "reasons": []}'])
def test_a_line_that_is_no_report_is_none(line: bytes) -> None:
    assert decode(line) is None


def test_the_newest_report_is_read_and_only_once(listener: Listener) -> None:
    tell = teller(os.dup(listener.write_fd))
    for n_events in range(5):
        tell(report(n_events))
    assert listener.newest() == report(4)
    assert listener.newest() is None


def test_half_a_line_waits_for_its_other_half(listener: Listener) -> None:
    line = encode(report(5))
    os.write(listener.write_fd, line[:40])
    assert listener.newest() is None
    os.write(listener.write_fd, line[40:])
    assert listener.newest() == report(5)


def test_a_supervisor_that_does_not_read_holds_no_worker_up(listener: Listener) -> None:
    tell = teller(os.dup(listener.write_fd))
    began_s = time.monotonic()
    for n_events in range(2_000):
        tell(report(n_events))
    assert time.monotonic() - began_s < 5.0
    assert listener.newest() is not None


def test_a_supervisor_that_is_gone_ends_no_worker(listener: Listener) -> None:
    tell = teller(os.dup(listener.write_fd))
    other = Listener()
    gone = teller(os.dup(other.write_fd))
    os.close(other.write_fd)
    other.close()
    gone(report())
    tell(report())
    assert listener.newest() == report()


def test_without_a_pipe_nothing_is_told() -> None:
    teller(0)(report())


class ScriptedEnds:
    """A broker's answer that the test sets."""

    def __init__(self) -> None:
        self.ends: dict[int, int] | None = {}

    def newest(self) -> dict[int, int] | None:
        return self.ends


def test_a_worker_that_is_started_again_is_judged_anew() -> None:
    now_s = [0.0]
    ends = ScriptedEnds()
    vitals = Vitals(ends, 5.0, clock=lambda: now_s[0])  # type: ignore[arg-type]
    frozen = Report(0, 1, 10, False, {4: 10})

    def seconds(n: int) -> list[list[str]]:
        found = []
        for _ in range(n):
            now_s[0] += 1.0
            ends.ends = {4: 100 + int(now_s[0])}
            found.append([name for name, _ in vitals.dead(["worker-00"])])
        return found

    def start() -> None:
        pipe = vitals.listen("worker-00")
        os.write(pipe.write_fd, encode(frozen))
        pipe.started()

    start()
    assert seconds(6) == [[]] * 5 + [["worker-00"]]
    assert vitals.of("worker-00").unread == 106 - 1 - 10
    start()
    assert seconds(5) == [[]] * 5, "the new process has its own span"
    assert seconds(1) == [["worker-00"]]
    assert vitals.dead([]) == [], "who does not run cannot be ended"
    off = Vitals(ends, 0.0, clock=lambda: now_s[0])  # type: ignore[arg-type]
    pipe = off.listen("worker-00")
    os.write(pipe.write_fd, encode(frozen))
    pipe.started()
    for _ in range(60):
        now_s[0] += 1.0
        ends.ends = {4: 100 + int(now_s[0])}
        assert off.dead(["worker-00"]) == []
