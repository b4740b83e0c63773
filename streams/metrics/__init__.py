"""What a process says of itself to operators: metrics, health, readiness.  Knows numbers and HTTP, no room of the pipeline.

``table``       every metric that there is: name, kind, labels, meaning
``exposition``  figures as Prometheus's text, by prometheus_client
``page``        the newest figures of a process, and what health and readiness make of them
``server``      /metrics, /health, /ready, in a thread of its own
``settings``    ports, and what counts as ready
"""

from streams.metrics.exposition import Distribution, Samples
from streams.metrics.page import Page, Readiness, ratio, why_not_covered
from streams.metrics.server import MetricsError, check_free, serve
from streams.metrics.settings import (
    MetricsSettings,
    port_of_cme,
    port_of_flow,
    port_of_ingest,
    port_of_merge,
    port_of_worker,
)

__all__ = [
    "Distribution",
    "MetricsError",
    "MetricsSettings",
    "Page",
    "Readiness",
    "Samples",
    "check_free",
    "port_of_cme",
    "port_of_flow",
    "port_of_ingest",
    "port_of_merge",
    "port_of_worker",
    "ratio",
    "serve",
    "why_not_covered",
]
