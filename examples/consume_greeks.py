"""Read greeks.v1 with plain confluent-kafka and fastavro; nothing of greekstream but its schema files.

python examples/consume_greeks.py 127.0.0.1:9092 demo.greeks.v1
"""

import io
import sys
from pathlib import Path

import fastavro
from confluent_kafka import Consumer
from fastavro.schema import fingerprint, to_parsing_canonical_form

AVSC = Path(__file__).resolve().parents[1] / "schemas" / "avsc"
schemas = [fastavro.schema.load_schema(AVSC / f"{name}.avsc") for name in ("Greeks", "Watermark")]
by_fingerprint = {bytes.fromhex(fingerprint(to_parsing_canonical_form(s), "CRC-64-AVRO")): s for s in schemas}

bootstrap, topic = sys.argv[1:3]
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "example", "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
while True:
    message = consumer.poll(1.0)
    if message is None or message.error() or not message.value():
        continue
    data = message.value()  # C3 01, eight bytes that name the schema, then the Avro body
    row = fastavro.schemaless_reader(io.BytesIO(data[10:]), by_fingerprint[data[2:10]], None)
    if "delta" in row:
        print(row["instrument_name"], row["status"], row["price_usd"], row["sigma"], row["delta"], flush=True)
