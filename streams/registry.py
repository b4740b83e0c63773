"""A Confluent schema registry, where SCHEMA_REGISTRY_URL names one: its ids stand before records instead of fingerprints.

Subjects by TopicRecordNameStrategy: ``<topic>-<record's full name>``.  The packaged schemas are registered at start.
Checkpoints stay single-object whatever is set: they are the workers' own, and a state must be readable across a change
of the wire format and while the registry is away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from schemas import SCHEMA_TEXT, SINGLE_OBJECT, Checkpoint, Framing, UnknownSchema, confluent_framing, subject
from schemas.catalogue import TEXT_BY_FINGERPRINT, fingerprint_of
from streams import settings, topics
from streams.topics import Topic

TIMEOUT_S = 10.0
NOT_FOUND = 404


class RegistryError(RuntimeError):
    """The registry cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The registry's ids by record name: they are bytes of every frame, so they belong to what decides the bytes."""

    by_record: dict[str, int]


@dataclass(frozen=True, slots=True)
class Wire:
    """How records are framed.  ``name`` is what ``Watermark.wire_format`` says; ``facts`` go into the settings' hash."""

    name: str
    framing: Framing
    facts: tuple[Ids, ...] = ()


SINGLE = Wire("avro-single-object", SINGLE_OBJECT)
CONFLUENT = "avro-confluent"


class Registry:
    """One registry.  ``client`` is confluent_kafka's SchemaRegistryClient, or what answers like it."""

    def __init__(self, url: str, client: Any) -> None:
        self.address = settings.without_password(url)
        self._client = client
        self._texts: dict[int, str] = {}

    def register(self, names_and_types: Iterable[tuple[str, type]]) -> dict[type, int]:
        """Register the packaged schemas of (topic's full name, record type) pairs; each type's first id.

        A registry gives one schema one id, whatever its subjects; where one does not, every id leads to the same schema.
        """
        from confluent_kafka.schema_registry import Schema

        ids: dict[type, int] = {}
        for name, kind in names_and_types:
            where, text = subject(name, kind), SCHEMA_TEXT[kind]
            try:
                number = int(self._client.register_schema(where, Schema(text, "AVRO")))
            except Exception as error:  # of the client, or of whichever HTTP library it uses
                raise RegistryError(
                    f"the schema registry at {self.address} does not take {where}: {_said(error)}"
                ) from error
            self._texts[number] = text
            ids.setdefault(kind, number)
        return ids

    def schema(self, number: int) -> str:
        """Text of the schema with this id; the packaged text where it is one of ours.

        Errors: UnknownSchema when the registry does not know the id; RegistryError when it cannot be asked.
        """
        text = self._texts.get(number)
        if text is None:
            text = self._texts[number] = self._ask(number)
        return text

    def _ask(self, number: int) -> str:
        try:
            text = str(self._client.get_schema(number).schema_str)
        except Exception as error:
            if getattr(error, "http_status_code", None) == NOT_FOUND:
                raise UnknownSchema(number, f"not known to the schema registry at {self.address}") from error
            raise RegistryError(
                f"schema {number} cannot be had from the registry at {self.address}: {_said(error)}"
            ) from error
        try:  # the registry may have written it anew; ours is decoded fastest by its own text
            return TEXT_BY_FINGERPRINT.get(fingerprint_of(text), text)
        except Exception as error:  # JSON schema, Protobuf: no record of ours
            raise UnknownSchema(number, f"no Avro schema in the registry at {self.address}: {_said(error)}") from error


@cache
def connect(url: str) -> Registry:
    """The registry at a URL (http, https, or the client's own ``mock://``); one a process, so ids are asked for once."""
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient
    except ImportError as error:
        raise RegistryError(
            f"SCHEMA_REGISTRY_URL is set, but the registry's client is missing ({error}); "
            "install it with: pip install 'greekstream[registry]', or unset SCHEMA_REGISTRY_URL"
        ) from error
    try:
        return Registry(url, SchemaRegistryClient.new_client({"url": url, "timeout": TIMEOUT_S}))
    except ValueError as error:
        raise RegistryError(f"SCHEMA_REGISTRY_URL={settings.without_password(url)} cannot be used: {error}") from error


def subjects(namespace: str, suffix: str = "", only: Iterable[Topic] = topics.NOW) -> list[tuple[str, type]]:
    """(topic's full name, record type) of all that a namespace's topics hold, checkpoints apart."""
    return [
        (topics.full_name(topic, namespace, suffix), kind)
        for topic in only
        for kind in topic.values
        if kind is not Checkpoint
    ]


def wire(namespace: str, suffix: str = "", only: Iterable[Topic] = topics.NOW, *, url: str | None = None) -> Wire:
    """How this process writes records: single-object, or with a registry's ids, its schemas registered.

    url : of the registry, "" for none; None: SCHEMA_REGISTRY_URL.
    """
    url = settings.schema_registry_url() if url is None else url
    if not url:
        return SINGLE
    ids = connect(url).register(subjects(namespace, suffix, only))
    return Wire(CONFLUENT, confluent_framing(ids), (Ids({kind.__name__: number for kind, number in ids.items()}),))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
