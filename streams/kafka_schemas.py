"""Writer schemas in ``schemas.v1``: what lets a reader of today read the records of a newer writer.

Every writer publishes its packaged schemas when it starts; a reader looks there for a fingerprint its package lacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import KafkaException, Producer

from schemas.catalogue import TEXT_BY_FINGERPRINT, Resolve, fingerprint_of, packaged
from schemas.errors import UnknownSchema
from streams import registry as registries
from streams import settings, topics
from streams.kafka_clients import REQUEST_TIMEOUT_S, KafkaUnreachable, producer, topic_names
from streams.kafka_offsets import read_range, watermarks

READ_AGAIN_S = 5.0
"""An unknown fingerprint is looked for in the topic at most this often: bad bytes must not become a read each."""


def published_schemas(bootstrap: str, namespace: str = "") -> dict[bytes, str]:
    """{fingerprint: schema text} of the namespace's ``schemas.v1``.  Entries whose text is not what the key says are left out."""
    name = topics.full_name(topics.SCHEMAS, namespace)
    if name not in topic_names(bootstrap):
        return {}
    found: dict[bytes, str] = {}
    for message in read_range(bootstrap, name, watermarks(bootstrap, name, [0])):
        key, value = message.key(), message.value()
        try:
            text = bytes(value or b"").decode()
            fingerprint = fingerprint_of(text)
        except Exception:  # whatever stands there: it is no schema, and reading must go on
            continue
        if bytes(key or b"").decode("ascii", "replace") == fingerprint.hex():
            found[fingerprint] = text
    return found


def publish_schemas(bootstrap: str, namespace: str = "") -> int:
    """Write the packaged schemas that ``schemas.v1`` lacks, confirmed; how many were written.  The topic must exist."""
    known = published_schemas(bootstrap, namespace)
    missing = {key: text for key, text in TEXT_BY_FINGERPRINT.items() if key not in known}
    if missing:
        _write(producer(bootstrap), topics.full_name(topics.SCHEMAS, namespace), missing)
    return len(missing)


def _write(client: Producer, name: str, texts: dict[bytes, str]) -> None:
    failures: list[str] = []
    for fingerprint, text in texts.items():
        client.produce(
            name,
            key=fingerprint.hex(),
            value=text,
            partition=0,
            on_delivery=lambda error, _: failures.append(str(error)) if error is not None else None,
        )
    n_waiting = client.flush(REQUEST_TIMEOUT_S)
    if n_waiting or failures:
        raise KafkaUnreachable(f"{n_waiting} schemas not confirmed by {name}; {'; '.join(sorted(set(failures)))}")


def resolver(bootstrap: str, namespace: str = "", registry: Callable[[int], str] | None = None) -> Resolve:
    """``resolve`` for ``schemas.decode``: the package's schemas first, then ``schemas.v1``; a registry's ids by ``registry``.

    It reads the topic only when it meets a fingerprint the package lacks.  Raises UnknownSchema when nobody knows it.

    registry : id -> schema text; by default the registry of SCHEMA_REGISTRY_URL is asked, where that is set.
    """
    url = settings.schema_registry_url()
    if registry is None and url:
        registry = registries.connect(url).schema
    learnt: dict[bytes, str] = {}
    next_read_s = float("-inf")

    def resolve(key: bytes | int) -> str:
        nonlocal next_read_s
        if isinstance(key, int) and registry is not None:
            return registry(key)
        if isinstance(key, int) or key in TEXT_BY_FINGERPRINT:
            return packaged(key)
        if key not in learnt and time.monotonic() >= next_read_s:
            try:
                learnt.update(published_schemas(bootstrap, namespace))
            except (KafkaException, KafkaUnreachable) as error:
                raise UnknownSchema(key, f"and {topics.SCHEMAS.name} cannot be read: {error}") from error
            next_read_s = time.monotonic() + READ_AGAIN_S
        if key not in learnt:
            raise UnknownSchema(key)
        return learnt[key]

    return resolve
