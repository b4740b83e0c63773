"""Read greeks.v1 with plain confluent-kafka and fastavro; nothing of greekstream but its schema files.

python examples/consume_greeks.py 127.0.0.1:9092 demo.greeks.v1

With SCHEMA_REGISTRY_URL set it also reads what a pipeline with a schema registry has written.
"""

import functools
import io
import json
import os
import sys
import urllib.request
from pathlib import Path

import fastavro
from confluent_kafka import Consumer
from fastavro.schema import fingerprint, to_parsing_canonical_form

AVSC = Path(__file__).resolve().parents[1] / "schemas" / "avsc"
schemas = [fastavro.schema.load_schema(AVSC / f"{name}.avsc") for name in ("Greeks", "Watermark")]
by_fingerprint = {bytes.fromhex(fingerprint(to_parsing_canonical_form(s), "CRC-64-AVRO")): s for s in schemas}


@functools.cache
def by_id(number):
    with urllib.request.urlopen(f"{os.environ['SCHEMA_REGISTRY_URL']}/schemas/ids/{number}") as answer:
        return fastavro.parse_schema(json.loads(json.load(answer)["schema"]))


bootstrap, topic = sys.argv[1:3]
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "example", "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
while True:
    message = consumer.poll(1.0)
    if message is None or message.error() or not message.value():
        continue
    data = message.value()  # C3 01 and eight bytes that name the schema, or 00 and a registry's id; then the Avro body
    schema = by_id(int.from_bytes(data[1:5], "big")) if data[0] == 0 else by_fingerprint[data[2:10]]
    row = fastavro.schemaless_reader(io.BytesIO(data[5 if data[0] == 0 else 10 :]), schema, None)
    if "delta" in row:
        print(row["instrument_name"], row["status"], row["price_usd"], row["sigma"], row["delta"], flush=True)
