"""The doctor on a real broker: from nothing at all to a namespace in good health, and the illnesses in between."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from click.testing import CliRunner

import schemas
from schemas import FeedStatus, Watermark
from streams import doctor, kafka, topics
from streams.cli.doctor import command


def diagnosis(bootstrap: str, *arguments: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    done = CliRunner().invoke(command, [*arguments, "--json"], env={"KAFKA_BOOTSTRAP": bootstrap})
    answer = json.loads(done.output)
    assert answer["is_ok"] is (done.exit_code == 0)
    by_check: dict[str, list[dict[str, Any]]] = {}
    for finding in answer["findings"]:
        by_check.setdefault(finding["check"], []).append(finding)
    return done.exit_code, by_check


def publish(bootstrap: str, namespace: str, **changes: Any) -> None:
    """Watermarks of all partitions, each followed by rows, as a worker writes them; and ingest's report."""
    producer = kafka.producer(bootstrap)
    # Said to be made a minute from now, so that no machine is slow enough to make them stale.
    headers = [("calc_wall_ns", str(time.time_ns() + 60_000_000_000).encode())]
    for p in range(16):
        different = changes if p == 4 else {}
        values = dict(
            partition=p, log_time_ns=1, source_offset=1, is_ready=True, n_listed=50, n_priced=50, n_rejected=0, result_seq=0,
            settings_hash="aa", engine_version="1", cpu_features="avx2", wire_format="single-object", log_id="x",
        )  # fmt: skip
        record = Watermark(**(values | different))
        name = topics.full_name(topics.GREEKS, namespace)
        producer.produce(name, schemas.encode(record), key=f"watermark/{p}", partition=p, headers=headers)
        for _ in range(400 if p == 5 else 3):
            producer.produce(name, b"a row, which the doctor does not decode", key="BTC-27MAR26-100000-C", partition=p)
    status = FeedStatus("deribit", 0, "connected", 1, {}, 0, 0, 0, "")
    producer.produce(
        topics.full_name(topics.FEED_STATUS, namespace), schemas.encode(status), key="deribit", partition=0
    )
    assert producer.flush(30) == 0


def test_a_kafka_that_does_not_answer_is_the_finding() -> None:
    code, found = diagnosis("127.0.0.1:1")
    assert code == 1
    assert found["broker"][0]["state"] == "problem"
    assert "127.0.0.1:1" in found["broker"][0]["text"]
    assert set(found) == {"java", "broker"}


def test_without_topics_it_says_how_to_make_them(bootstrap: str) -> None:
    code, found = diagnosis(bootstrap, "--namespace", "nothing-here")
    assert code == 1
    assert found["topics"][0]["remedy"] == "greekstream topics --create --namespace nothing-here"


def test_one_check_alone_tells_its_own_state_and_never_passes_for_want_of_a_topic(
    bootstrap: str, namespace: str
) -> None:
    code, found = diagnosis(bootstrap, "--namespace", "nothing-here", "--only", "workers")
    assert (code, set(found)) == (1, {"broker", "workers"})
    publish(bootstrap, namespace)
    code, found = diagnosis(bootstrap, "--namespace", namespace, "--only", "feed")
    assert (code, set(found), found["feed"][0]["state"]) == (0, {"broker", "feed"}, "ok")
    code, found = diagnosis(bootstrap, "--namespace", namespace, "--only", "versions")
    assert (code, found["versions"][0]["state"]) == (0, "ok")


def test_with_fresh_topics_ingest_and_workers_are_what_is_missing(bootstrap: str, namespace: str) -> None:
    _, found = diagnosis(bootstrap, "--namespace", namespace)
    states = {check: findings[0]["state"] for check, findings in found.items()}
    assert states == {
        "java": "ok", "broker": "ok", "topics": "ok", "clock": "ok", "feed": "problem", "workers": "problem", "coverage": "problem",
    }  # fmt: skip


def test_coverage_feed_and_versions_come_from_the_newest_records(bootstrap: str, namespace: str) -> None:
    publish(bootstrap, namespace, n_priced=0, engine_version="0.9")
    _, found = diagnosis(bootstrap, "--namespace", namespace)
    assert "750 of 800" in found["coverage"][0]["text"]
    assert "0.9 on partitions 4" in found["versions"][0]["text"]
    publish(bootstrap, namespace)
    _, found = diagnosis(bootstrap, "--namespace", namespace)
    assert {check: f[0]["state"] for check, f in found.items() if check in ("coverage", "versions", "feed")} == {
        "coverage": "ok", "versions": "ok", "feed": "ok",
    }  # fmt: skip
    assert found["workers"][0]["state"] == "problem", "nobody is in the group"


def test_a_wrong_retention_is_found_and_repaired_on_request(bootstrap: str, namespace: str) -> None:
    from tests.broker.test_kafka_functions import set_config

    name = topics.full_name(topics.TRADES, namespace)
    set_config(bootstrap, name, "retention.bytes", "1048576")
    _, found = diagnosis(bootstrap, "--namespace", namespace)
    assert [finding["state"] for finding in found["topics"]] == ["problem"]
    assert name in found["topics"][0]["text"]
    _, found = diagnosis(bootstrap, "--namespace", namespace, "--repair")
    assert found["topics"][0]["state"] == "ok"


def test_the_clock_is_measured_against_the_brokers_and_leaves_nothing_behind(bootstrap: str) -> None:
    offset_s = doctor.clock_offset_s(bootstrap)
    assert offset_s is not None
    if bootstrap.startswith("127."):
        assert abs(offset_s) < 0.5, "one machine, one clock"
    deadline = time.monotonic() + 5
    while left := [name for name in kafka.topic_names(bootstrap) if name.startswith("greekstream-clock-")]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.parametrize("is_json", [True, False])
def test_the_exit_status_says_whether_there_is_a_problem(bootstrap: str, is_json: bool) -> None:
    arguments = ["--namespace", "nothing-here", *(["--json"] if is_json else [])]
    done = CliRunner().invoke(command, arguments, env={"KAFKA_BOOTSTRAP": bootstrap})
    assert done.exit_code == 1
    assert "greekstream topics --create" in done.output
