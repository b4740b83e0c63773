"""Make, compare, mend and delete the topics of a namespace, as ``streams.topics`` has them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from streams import topics
from streams.kafka_clients import (
    REQUEST_TIMEOUT_S,
    KafkaUnreachable,
    admin,
    list_groups,
    results,
    settled,
    topic_names,
)
from streams.topics import Topic


def create_topics(
    bootstrap: str, namespace: str = "", profile: str = "local", *, suffix: str = "", only: Sequence[Topic] = topics.NOW
) -> list[str]:
    """Make the namespace's topics that do not exist yet, wait until each has leaders, and return the names made.

    Existing topics are left as they are: ``config_differences`` tells how they differ, ``repair_topics`` mends them.
    """
    wanted = {topics.full_name(topic, namespace, suffix): topic for topic in only}
    existing = topic_names(bootstrap)
    missing = [
        NewTopic(name, topic.n_partitions, config=topics.config(topic, namespace, profile, suffix))
        for name, topic in wanted.items()
        if name not in existing
    ]
    if not missing:
        return []
    results(admin(bootstrap).create_topics(missing), allowed=(KafkaError.TOPIC_ALREADY_EXISTS,))
    names = [item.topic for item in missing]
    _wait_for_leaders(bootstrap, names)
    return names


def _wait_for_leaders(bootstrap: str, names: Sequence[str]) -> None:
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    while True:
        known = admin(bootstrap).list_topics(timeout=REQUEST_TIMEOUT_S).topics
        leaderless = [
            name
            for name in names
            if name not in known
            or not known[name].partitions
            or any(partition.leader < 0 for partition in known[name].partitions.values())
        ]
        if not leaderless:
            return
        if time.monotonic() > deadline:
            raise KafkaUnreachable(f"topics without a leader after {REQUEST_TIMEOUT_S:.0f} s: {', '.join(leaderless)}")
        time.sleep(0.05)


def _wait_until_gone(bootstrap: str, names: Sequence[str]) -> None:
    """A broker's metadata lag a deletion by a moment, in which a topic of that name would pass for existing."""
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    while left := set(names) & set(topic_names(bootstrap)):
        if time.monotonic() > deadline:
            raise KafkaUnreachable(
                f"topics still there {REQUEST_TIMEOUT_S:.0f} s after deletion: {', '.join(sorted(left))}"
            )
        time.sleep(0.02)


def config_differences(
    bootstrap: str, namespace: str = "", profile: str = "local", *, suffix: str = "", only: Sequence[Topic] = topics.NOW
) -> dict[str, dict[str, tuple[str, str]]]:
    """{topic name: {setting: (as it is, as it should be)}} of existing topics; ``partitions`` counts as a setting."""
    existing = topic_names(bootstrap)
    wanted = {topics.full_name(topic, namespace, suffix): topic for topic in only}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted if name in existing]
    if not resources:
        return {}
    differences: dict[str, dict[str, tuple[str, str]]] = {}
    for resource, entries in results(admin(bootstrap).describe_configs(resources)).items():
        topic = wanted[resource.name]
        should = topics.config(topic, namespace, profile, suffix)
        pairs = {key: (entries[key].value if key in entries else "not known", value) for key, value in should.items()}
        pairs["partitions"] = (str(existing[resource.name]), str(topic.n_partitions))
        wrong = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
        if wrong:
            differences[resource.name] = wrong
    return differences


def repair_topics(bootstrap: str, namespace: str = "", profile: str = "local") -> list[str]:
    """Set the table's configuration on existing topics that differ; the names changed.  Partitions are never changed:
    that would move keys."""
    resources = []
    for name, wrong in config_differences(bootstrap, namespace, profile).items():
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, (_, value) in wrong.items()
            if key != "partitions"
        ]
        if entries:
            resources.append(ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries))
    if resources:
        results(admin(bootstrap).incremental_alter_configs(resources))
    return [resource.name for resource in resources]


def wipe(bootstrap: str, namespace: str, *, group_wait_s: float = 0.0) -> list[str]:
    """Delete the namespace's topics and groups; returns groups that still had members (Kafka keeps those).

    Groups of killed static members stay until their session ends: wait for that with ``group_wait_s``, or leave them;
    their offsets go with the topics.  ValueError for the live namespace: nobody wipes that by a slip.
    """
    if namespace in ("", None):
        raise ValueError("the live namespace is not wiped; delete its topics with Kafka's own tools if you mean it")
    prefix = f"{topics.check_namespace(namespace)}."
    client = admin(bootstrap)
    gone = (KafkaError.UNKNOWN_TOPIC_OR_PART,)
    names = [name for name in topic_names(bootstrap) if name.startswith(prefix)]
    if names:
        results(client.delete_topics(names), allowed=gone)
        _wait_until_gone(bootstrap, names)
    return _without_groups(bootstrap, [g for g in list_groups(bootstrap) if g.startswith(prefix)], group_wait_s)


def _without_groups(bootstrap: str, groups: list[str], wait_s: float) -> list[str]:
    """Delete groups; returns those that still had members after the wait."""
    deadline = time.monotonic() + wait_s
    while groups:
        # a broker that is just up may not have read yet whose coordinator it is
        groups = settled(bootstrap, partial(_with_members, bootstrap, groups), REQUEST_TIMEOUT_S)
        if time.monotonic() >= deadline:
            break
        time.sleep(0.2)
    return groups


def _with_members(bootstrap: str, groups: list[str]) -> list[str]:
    """Ask for groups to be deleted; those that are not, because they have members.  One that is gone already is no error."""
    kept = []
    for group, future in admin(bootstrap).delete_consumer_groups(groups).items():
        try:
            future.result(REQUEST_TIMEOUT_S)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.NON_EMPTY_GROUP:
                kept.append(group)
            elif code != KafkaError.GROUP_ID_NOT_FOUND:
                raise
    return kept
