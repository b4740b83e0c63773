"""What the rest of the project needs of Kafka, in one name space; no other module calls librdkafka's constructors.

``kafka_clients``  producer, consumer, admin: the project's settings
``kafka_topics``   make, compare, mend and wipe the topics of a namespace
``kafka_offsets``  ids, offsets, groups, bounded reads
``kafka_schemas``  writer schemas in ``schemas.v1``
"""

from streams.kafka_clients import (
    KafkaUnreachable,
    RateLimited,
    admin,
    is_reachable,
    list_groups,
    producer,
    reader_consumer,
    topic_names,
)
from streams.kafka_offsets import (
    found_group,
    group_offsets,
    group_state,
    lags,
    offsets_for_time,
    read_range,
    set_group_offsets,
    topic_id,
    watermarks,
)
from streams.kafka_schemas import publish_schemas, published_schemas, resolver
from streams.kafka_topics import config_differences, create_topics, repair_topics, wipe

__all__ = [
    "KafkaUnreachable",
    "RateLimited",
    "admin",
    "config_differences",
    "create_topics",
    "found_group",
    "group_offsets",
    "group_state",
    "is_reachable",
    "lags",
    "list_groups",
    "offsets_for_time",
    "producer",
    "publish_schemas",
    "published_schemas",
    "read_range",
    "reader_consumer",
    "repair_topics",
    "resolver",
    "set_group_offsets",
    "topic_id",
    "topic_names",
    "watermarks",
    "wipe",
]
