"""The Kafka service of docker-compose.yml: each KAFKA_ name is a setting that this version of Kafka has."""

from __future__ import annotations

import yaml
from confluent_kafka.admin import ConfigResource, ResourceType

from streams import kafka
from tests.conftest import ROOT

# Read by the image's own scripts, not by the broker.
IMAGE_NAMES = {"KAFKA_HEAP_OPTS"}


def test_every_setting_of_the_kafka_service_is_one_that_kafka_has(bootstrap: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    names = [name for name in compose["services"]["kafka"]["environment"] if name.startswith("KAFKA_")]
    settings = {name.removeprefix("KAFKA_").lower().replace("_", ".") for name in names if name not in IMAGE_NAMES}
    broker_id = next(iter(kafka.admin(bootstrap).list_topics(timeout=10).brokers))
    resource = ConfigResource(ResourceType.BROKER, str(broker_id))
    known = set(kafka.admin(bootstrap).describe_configs([resource])[resource].result(10))
    assert len(settings) > 15
    assert settings - known == set()
