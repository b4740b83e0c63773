"""The table of topics: sizes, names, namespaces, keys."""

from __future__ import annotations

import logging

import pytest

import schemas
from streams import topics
from streams.kafka import RateLimited

NAMESPACES = ["", "sim", "testnet", "rec-april", "t-0123abcdef"]


def test_a_namespace_fits_in_ten_gigabytes_on_a_laptop() -> None:
    assert topics.local_bytes_at_most(topics.ALL) <= 10e9


def test_every_record_of_the_contract_has_a_topic() -> None:
    here = {value.__name__ for topic in topics.ALL for value in topic.values}
    assert here == {cls.__name__ for cls in schemas.catalogue.RECORD_TYPES}


def test_everything_derived_from_a_partition_has_as_many_partitions() -> None:
    derived = (topics.GREEKS, topics.LATEST, topics.REJECTS, topics.TRADES, topics.AUDIT, topics.CHECKPOINTS)
    for topic in (*derived, topics.CHECKPOINTS_HISTORY, topics.DEADLETTER):
        assert topic.n_partitions == topics.TICKS.n_partitions == 16


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("suffix", ["", "again"])
def test_a_name_can_be_taken_apart_again(namespace: str, suffix: str) -> None:
    for topic in topics.ALL:
        assert topics.split_name(topics.full_name(topic, namespace, suffix)) == (namespace, topic, suffix)


def test_names_are_those_of_the_design() -> None:
    assert topics.full_name(topics.GREEKS) == "greeks.v1"
    assert topics.full_name(topics.GREEKS, "sim") == "sim.greeks.v1"
    assert topics.group_name() == "greekstream-workers"
    assert topics.group_name("sim") == "sim.greekstream-workers"
    assert topics.group_name("sim", "flow") == "sim.greekstream-flow"
    assert topics.checkpoint_key("g", "sim.deribit.ticks.v1", 3, 7) == "g/sim.deribit.ticks.v1/3/7"


def test_the_engines_short_names_are_there() -> None:
    for short in ("greeks", "latest", "rejects", "trades", "audit", "deadletter"):
        assert topics.BY_SHORT[short].short == short


@pytest.mark.parametrize(
    "namespace", ["Sim", "a.b", "-x", "a b", "ä", "x" * 64, "greeks", "deribit", "greekstream", "flow"]
)
def test_a_namespace_that_could_be_mistaken_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        topics.full_name(topics.GREEKS, namespace)


def test_a_name_of_nobody_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(KeyError, match=r"greeks\.v1"):
        topics.split_name("sim.nothing.v1")


@pytest.mark.parametrize("profile", topics.PROFILES)
@pytest.mark.parametrize("namespace", NAMESPACES)
def test_only_live_namespaces_forget_by_time_and_mind_the_clock(profile: str, namespace: str) -> None:
    is_live = namespace in ("", "testnet")
    config = topics.config(topics.TICKS, namespace, profile)
    assert (config["retention.ms"] == "-1") is not is_live
    assert (int(config["message.timestamp.after.max.ms"]) < 10**10) is is_live
    assert (config["retention.bytes"] == "-1") is (is_live and profile == "server")


def test_side_topics_of_a_replay_keep_old_records_in_a_live_namespace_too() -> None:
    assert topics.config(topics.GREEKS, "", "server", "again")["retention.ms"] == "-1"


def test_the_filter_lets_a_few_lines_through_and_says_how_many_it_held_back() -> None:
    limited = RateLimited(n_lines=2, period_s=10.0)

    def line(at_s: float) -> logging.LogRecord | None:
        record = logging.LogRecord("kafka", logging.WARNING, "x.py", 1, "broker down", (), None)
        record.created = at_s
        return record if limited.filter(record) else None

    assert [line(at_s) is not None for at_s in (0.0, 0.1, 0.2, 0.3, 9.9)] == [True, True, False, False, False]
    after = line(10.1)
    assert after is not None
    assert after.getMessage() == "broker down [3 similar lines held back]"
    quiet = line(30.0)
    assert quiet is not None
    assert quiet.getMessage() == "broker down"
