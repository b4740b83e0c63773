"""Our partition of a key is Kafka's.  The broker test compares with a real producer; here the published vectors."""

from __future__ import annotations

import pytest

from streams.partitioning import murmur2, partition_of


# Apache Kafka, clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, testMurmur2 (signed 32-bit there).
@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_kafkas_own_values(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_partitions_are_in_range_and_spread() -> None:
    names = [f"BTC-27MAR26-{strike}-{side}" for strike in range(20_000, 200_000, 1_000) for side in "CP"]
    counts = [0] * 16
    for name in names:
        counts[partition_of(name)] += 1
    assert min(counts) > 0.4 * len(names) / 16
