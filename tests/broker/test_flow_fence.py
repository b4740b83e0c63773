"""Dealer flow on a real Kafka: of two services of a group the newer goes on; a reset of the workers, and topics made anew, are found."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import schemas
from schemas import Flow, Watermark
from streams import kafka, registry, topics
from streams.flow.side import SideSettings
from streams.flow_service import making
from streams.flow_service.output import Superseded
from streams.flow_service.settings import FoldSettings
from streams.flow_service.shell import Service
from streams.ingest import log as ingest_log
from streams.partitioning import N_PARTITIONS
from tests.flow_log import CONTEXT, NS, Lanes, lanes
from tests.kafka_fixtures import eventually

BACK_NS = 3_600 * NS
Facts = list[dict[str, Any]]


def write(bootstrap: str, namespace: str, found: Lanes, *, epoch: int = 0, back_ns: int = 0) -> None:
    """What the workers have written, every epoch raised and every time set back by so much."""
    producer = kafka.producer(bootstrap)
    names = {short: topics.full_name(topics.BY_SHORT[short], namespace) for short in ("greeks", "trades")}
    for (topic, partition), lane in found.items():
        for one in lane:
            record: Any = one.record
            field = "log_time_ns" if isinstance(record, Watermark) else "ts_event_ns"
            ts_ns = getattr(record, field) - back_ns
            producer.produce(
                names[topic], schemas.encode(record._replace(**{field: ts_ns})), b"key", partition, timestamp=ts_ns // 10**6,
                headers=[("epoch", str(one.epoch + epoch).encode())],
            )  # fmt: skip
    assert producer.flush(30) == 0


@pytest.fixture
def make(bootstrap: str, namespace: str) -> Callable[..., tuple[Service, Facts]]:
    def service(**more: Any) -> tuple[Service, Facts]:
        said: Facts = []
        settings = FoldSettings(namespace=namespace, chain_s=7_200.0, checkpoint_s=0.2, **more)
        wire = registry.wire(namespace, only=topics.FLOW_OUTPUTS)
        one = making.service(
            bootstrap, settings, CONTEXT.flow, SideSettings(n_draws=20), wire, is_cold=False,
            say=lambda event, **facts: said.append({"event": event, **facts}),
        )  # fmt: skip
        return one, said

    return service


def last_second_ns(found: Lanes, back_ns: int = 0) -> int:
    """The second that every lane passes at its end."""
    ends = [one.record.log_time_ns for lane in found.values() for one in lane if isinstance(one.record, Watermark)]
    return max(ends) // NS * NS - back_ns


def finals(bootstrap: str, namespace: str) -> list[tuple[int, Flow]]:
    """(epoch, record) of every final one."""
    name = topics.full_name(topics.FLOW, namespace)
    found = []
    for message in kafka.read_range(bootstrap, name, kafka.watermarks(bootstrap, name, [0])):
        record = schemas.decode(message.value())
        if record.is_final:
            found.append((int(dict(message.headers())["epoch"]), record))
    return found


def test_of_two_services_of_a_group_the_newer_goes_on_and_the_older_ends_at_once(
    bootstrap: str, namespace: str, make: Callable[..., tuple[Service, Facts]]
) -> None:
    """DESIGN 1, rule 5: and ingest, whose claims stand in the same topic, is not concerned."""
    claim = ingest_log.claim(bootstrap, namespace, "here")
    watch = ingest_log.ClaimWatch(bootstrap, namespace, claim)
    write(bootstrap, namespace, lanes(21, 8, n_partitions=N_PARTITIONS))
    older, _ = make()
    other, _ = make(group="another")
    ended: list[BaseException] = []

    def run() -> None:
        try:
            older.run()
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: older.n_checkpoints > 1 or ended)
    assert not ended, "a service of another group is no rival"
    newer, said = make()
    thread.join(30.0)
    assert [type(error) for error in ended] == [Superseded]
    assert "flow_resumes" in [facts["event"] for facts in said]
    n_checkpoints = newer.n_checkpoints
    newer.run(until=lambda: True)
    assert newer.n_checkpoints == n_checkpoints and newer.epoch == older.epoch == 1
    watch.check()
    watch.close()
    assert other.watch is not None and other.watch.newer_by_now(10.0) is None


def test_a_reset_and_topics_made_anew_are_found_while_it_runs_and_said_in_the_records(
    bootstrap: str, namespace: str, make: Callable[..., tuple[Service, Facts]]
) -> None:
    """DESIGN 5: each begins anew, cold, under the next epoch; no command is needed."""
    old, new, last = (lanes(seed, 8, n_partitions=N_PARTITIONS) for seed in (21, 22, 23))
    write(bootstrap, namespace, old)
    service, said = make()
    service.run(until=lambda: service.state.final.second_ns == last_second_ns(old))
    write(bootstrap, namespace, new, epoch=10, back_ns=BACK_NS)
    service.run(until=lambda: service.n_over > 0 and service.state.final.second_ns == last_second_ns(new, BACK_NS))
    names = [topics.full_name(topic, namespace) for topic in (topics.GREEKS, topics.TRADES)]
    for future in kafka.admin(bootstrap).delete_topics(names).values():
        future.result(20)
    eventually(lambda: not set(names) & kafka.topic_names(bootstrap).keys())
    kafka.create_topics(bootstrap, namespace)
    eventually(lambda: set(names) <= kafka.topic_names(bootstrap).keys())
    write(bootstrap, namespace, last, epoch=20)
    again, more = make()
    again.run(until=lambda: again.state.final.second_ns == last_second_ns(last))
    whys = [facts["why"] for facts in (*said, *more) if facts["event"] == "flow_cold_start"]
    # one for the reset as a rule; more where a worker had opened an epoch without a reset just before
    assert len(whys) == 2 + service.n_over >= 3 and all("set back" in why for why in whys[1:-1])
    assert [facts["event"] for facts in more][:1] == ["flow_checkpoint_unusable"]
    found = finals(bootstrap, namespace)
    assert [epoch for epoch, _ in found] == sorted(epoch for epoch, _ in found)
    assert all(record.is_cold_start for _, record in found)
    newest = dict(found)
    assert 1 < service.epoch < again.epoch
    back, forth = newest[service.epoch].ts_event_ns, newest[again.epoch].ts_event_ns
    assert (newest[1].ts_event_ns, back, forth) == (
        last_second_ns(old),
        last_second_ns(new, BACK_NS),
        last_second_ns(last),
    )
