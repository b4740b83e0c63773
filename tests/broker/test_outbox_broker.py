"""The outbox on a real Kafka: every record once, in order, as it was given."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from streams import kafka, topics
from streams.kafka_outbox import BATCH_BYTES, Outbox, Place
from streams.partitioning import N_PARTITIONS

N_RECORDS = 4_000


def test_records_stand_in_the_order_given_once_and_whole(bootstrap: str, namespace: str) -> None:
    name = topics.full_name(topics.GREEKS, namespace)
    chance = random.Random(5)
    given: dict[int, list[bytes | None]] = {partition: [] for partition in range(N_PARTITIONS)}
    landed: list[Place] = []

    def on_delivery(error: Any, place: Place) -> None:
        assert error is None, error
        landed.append(place)

    async def send() -> int:
        outbox = Outbox(bootstrap)
        await outbox.start()
        for number in range(N_RECORDS):
            partition = chance.randrange(N_PARTITIONS)
            # one that no batch can take with others, and a tombstone, among them
            size = BATCH_BYTES + 50_000 if number == 777 else chance.randrange(2_000)
            value = None if number == 99 else number.to_bytes(4, "big") + chance.randbytes(size)
            given[partition].append(value)
            headers = [("number", str(number).encode())]
            outbox.produce(
                name, value, b"key", partition, on_delivery=on_delivery, timestamp=1_000 + number, headers=headers
            )
            if number % 500 == 0:
                await asyncio.sleep(0.005)
        return await outbox.close(60.0)

    assert asyncio.run(send()) == 0
    found: dict[int, list[Any]] = {partition: [] for partition in range(N_PARTITIONS)}
    for message in kafka.read_range(bootstrap, name, kafka.watermarks(bootstrap, name, range(N_PARTITIONS))):
        found[message.partition()].append(message)
    for partition, messages in found.items():
        assert [message.value() for message in messages] == given[partition]
        for message in messages:
            ((header, number),) = message.headers()
            assert (header, message.key(), message.timestamp()[1]) == ("number", b"key", 1_000 + int(number))
    assert sorted((place.partition(), place.offset()) for place in landed) == sorted(
        (partition, message.offset()) for partition, messages in found.items() for message in messages
    )
