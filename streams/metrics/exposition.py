"""Figures as Prometheus's text.  A scrape reads what has been counted anyway: nothing here stands in anybody's hot path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from streams.metrics.table import COUNTER, HISTOGRAM, ROLES, Metric, full_name

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Distribution(NamedTuple):
    """A histogram's content: (upper edge, number at or below it) by rising edge, the last edge infinite; and their sum."""

    cumulative: tuple[tuple[float, int], ...]
    total: float


Samples = Mapping[str, Mapping[tuple[str, ...], float | Distribution]]
"""By name of the role's table, then by label values.  A metric that is not there is one that is not known now."""


class Figures(Collector):
    """Collects one process's samples when it is scraped."""

    def __init__(self, role: str, samples: Callable[[], Samples]) -> None:
        self._role, self._samples = role, samples

    def describe(self) -> list[Family]:
        """Nothing: the registry would otherwise scrape once, before there are any figures."""
        return []

    def collect(self) -> Iterator[Family]:
        samples = self._samples()
        unknown = set(samples) - {metric.name for metric in ROLES[self._role]}
        if unknown:
            raise KeyError(f"not in the table of {self._role}: {', '.join(sorted(unknown))}")
        for metric in ROLES[self._role]:
            found = samples.get(metric.name)
            if found:
                yield _family(full_name(self._role, metric), metric, found)


def _family(name: str, metric: Metric, found: Mapping[tuple[str, ...], float | Distribution]) -> Family:
    if metric.kind == HISTOGRAM:
        histogram = HistogramMetricFamily(name, metric.text, labels=metric.labels)
        for labels, value in found.items():
            assert isinstance(value, Distribution), name
            buckets = [("+Inf" if edge == float("inf") else repr(edge), n) for edge, n in value.cumulative]
            histogram.add_metric(labels, buckets, value.total)
        return histogram
    kind = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
    family = kind(name, metric.text, labels=metric.labels)
    for labels, value in found.items():
        assert not isinstance(value, Distribution), name
        family.add_metric(labels, value)
    return family


def registry_of(role: str, samples: Callable[[], Samples]) -> CollectorRegistry:
    """A registry of this process alone: its figures, and the operating system's (CPU, memory, files), ``process_...``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(role, samples))
    ProcessCollector(registry=registry)
    return registry


def as_text(registry: CollectorRegistry) -> bytes:
    """Prometheus's text format."""
    return generate_latest(registry)
