"""Where the log ends, asked of the broker by a thread: its owner must not wait while the broker is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import structlog
from confluent_kafka import OFFSET_END, KafkaException, TopicPartition

from streams import kafka
from streams.partitioning import N_PARTITIONS

EVERY_S = 2.0
FRESH_S = 6.0
"""An answer older than this is none: the broker is away."""
TIMEOUT_S = 5.0


class LogEnds:
    """Ends of one topic's partitions, kept fresh."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self._answer: tuple[dict[int, int], float] | None = None
        self._thread = threading.Thread(target=self._run, name="log-ends", daemon=True)

    def start(self) -> LogEnds:
        self._thread.start()
        return self

    def newest(self) -> Mapping[int, int] | None:
        """{partition: offset after its last record}, a few seconds old at most; None while the broker does not answer."""
        answer = self._answer
        return answer[0] if answer is not None and time.monotonic() - answer[1] < FRESH_S else None

    def _run(self) -> None:
        # Not the admin client: its late answers have ended processes (``kafka_offsets._as_group``).
        consumer = kafka.reader_consumer(self._bootstrap, log_level=0)
        request = [TopicPartition(self._topic, partition, OFFSET_END) for partition in range(N_PARTITIONS)]
        while True:
            asked_s = time.monotonic()
            try:
                found = consumer.offsets_for_times(request, timeout=TIMEOUT_S)
            except Exception as error:  # a thread that died of it would leave the watchdog blind for good
                found = []
                if not isinstance(error, KafkaException):
                    structlog.get_logger().warning("log_ends_failed", error=f"{type(error).__name__}: {error}")
            if found and all(item.error is None and item.offset >= 0 for item in found):
                self._answer = ({item.partition: item.offset for item in found}, asked_s)
            time.sleep(EVERY_S)
