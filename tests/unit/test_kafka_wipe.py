"""Deleting a namespace's groups: what a broker that is just up, or whose groups have members, answers."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams import kafka_topics

SETTLING = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE)


class Broker:
    """Answers each request for a group's deletion with the next of its codes, the last one for ever; None: deleted."""

    def __init__(self, **codes: list[int | None]) -> None:
        self.codes, self.asked = codes, 0

    def delete_consumer_groups(self, groups: list[str]) -> dict[str, Future[Any]]:
        self.asked += 1
        answers: dict[str, Future[Any]] = {}
        for group in groups:
            codes, answers[group] = self.codes[group], Future()
            code = codes.pop(0) if len(codes) > 1 else codes[0]
            if code is None:
                answers[group].set_result(None)
            else:
                answers[group].set_exception(KafkaException(KafkaError(code)))
        return answers


def wiped(monkeypatch: pytest.MonkeyPatch, broker: Broker, wait_s: float = 0.0) -> list[str]:
    monkeypatch.setattr(kafka_topics, "admin", lambda _: broker)
    monkeypatch.setattr(kafka_topics, "topic_names", lambda _: {})
    monkeypatch.setattr(kafka_topics, "list_groups", lambda _: [*broker.codes, "others.group"])
    monkeypatch.setattr(kafka_topics.time, "sleep", lambda _: None)
    return kafka_topics.wipe("nowhere:1", "a", group_wait_s=wait_s)


@pytest.mark.parametrize("code", SETTLING)
def test_a_broker_that_is_just_up_is_asked_again(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    broker = Broker(**{"a.x": [code, code, None], "a.y": [None], "a.z": [code, KafkaError.GROUP_ID_NOT_FOUND]})
    assert wiped(monkeypatch, broker) == []
    assert broker.asked == 3


def test_groups_with_members_are_left_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(**{"a.x": [KafkaError.NON_EMPTY_GROUP], "a.y": [KafkaError.NOT_COORDINATOR, None]})
    assert wiped(monkeypatch, broker) == ["a.x"]


def test_what_waiting_does_not_mend_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaException, match="GROUP_AUTHORIZATION"):
        wiped(monkeypatch, Broker(**{"a.x": [KafkaError.GROUP_AUTHORIZATION_FAILED]}))


def test_a_broker_that_never_settles_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_topics, "REQUEST_TIMEOUT_S", 0.05)
    with pytest.raises(KafkaException, match="NOT_COORDINATOR"):
        wiped(monkeypatch, Broker(**{"a.x": [KafkaError.NOT_COORDINATOR]}))
