"""Read greeks.v1 with Confluent's own AvroDeserializer and a schema registry.

The pipeline must have been started with SCHEMA_REGISTRY_URL set, so that records carry Confluent's framing (what was
written before that has another frame, and is passed over here); needs confluent-kafka[avro,schemaregistry].

    python examples/consume_with_confluent_deserializer.py 127.0.0.1:9092 http://127.0.0.1:8081 greeks.v1
"""

import sys
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def rows(consumer: Consumer, topic: str, registry: SchemaRegistryClient) -> Iterator[dict[str, Any]]:
    """Values of the topic as dicts, for ever; the registry says by which schema each was written."""
    deserialize = AvroDeserializer(registry)
    context = SerializationContext(topic, MessageField.VALUE)
    consumer.subscribe([topic])
    while True:
        message = consumer.poll(1.0)
        if message is not None and not message.error() and (message.value() or b"")[:1] == b"\0":
            yield deserialize(message.value(), context)


if __name__ == "__main__":
    bootstrap, url, topic_name = sys.argv[1:4]
    settings = {"bootstrap.servers": bootstrap, "group.id": "example", "auto.offset.reset": "earliest"}
    for row in rows(Consumer(settings), topic_name, SchemaRegistryClient({"url": url})):
        if "delta" in row:
            print(row["instrument_name"], row["status"], row["price_usd"], row["sigma"], row["delta"], flush=True)
