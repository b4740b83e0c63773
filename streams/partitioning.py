"""Kafka's own partitioner: murmur2 of the key, positive, modulo the number of partitions.

Source: org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner.partitionForKey.  Every librdkafka producer of
this project sets ``partitioner=murmur2_random``, which agrees with it; librdkafka's default does not.
"""

from __future__ import annotations

from functools import lru_cache

N_PARTITIONS = 16
_SEED, _M, _R, _MASK = 0x9747B28C, 0x5BD1E995, 24, 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Unsigned 32-bit murmur2 of ``key``, as Kafka's Java client computes it."""
    length = len(key)
    h = (_SEED ^ length) & _MASK
    n_words = length // 4
    for i in range(n_words):
        k = int.from_bytes(key[4 * i : 4 * i + 4], "little")
        k = (k * _M) & _MASK
        k ^= k >> _R
        k = (k * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    rest = key[4 * n_words :]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65_536)
def partition_of(instrument_name: str, n_partitions: int = N_PARTITIONS) -> int:
    """Partition of an instrument's keyed records; 0 <= result < n_partitions."""
    return (murmur2(instrument_name.encode()) & 0x7FFFFFFF) % n_partitions
