"""Makes the service: kernels, settings' hash, versions, topics, the claim, and where it begins."""

from __future__ import annotations

import socket
from collections.abc import Callable

from pricers import scenarios
from streams import kafka, topics
from streams.claims import FLOW_FEED, ClaimWatch, claim
from streams.flow.fold import Context
from streams.flow.settings import FlowSettings
from streams.flow.side import SideSettings
from streams.flow_service.checkpoints import Identity
from streams.flow_service.figures import Figures
from streams.flow_service.settings import FoldSettings
from streams.flow_service.shell import Service
from streams.flow_service.start import Beginning
from streams.metrics import Page
from streams.registry import Wire
from streams.settings import settings_hash
from streams.worker.pricing import SOURCES as ENGINE_SOURCES
from streams.worker.pricing import cpu_features, engine_version

SOURCES = (*ENGINE_SOURCES, "streams/flow")
"""All that may change a byte of a record."""
CLAIMED = "claimed by dealer flow"


def service(
    bootstrap: str,
    settings: FoldSettings,
    flow: FlowSettings,
    side: SideSettings,
    wire: Wire,
    *,
    is_cold: bool,
    say: Callable[..., None],
    page: Page[Figures] | None = None,
) -> Service:
    """The service at its start, which has taken over from any other of its group.  Makes the topics it writes to."""
    scenarios.warm_up()
    identity = Identity(settings_hash(flow, side, *wire.facts), engine_version(SOURCES), cpu_features())
    context = Context(flow, side, identity.settings_hash, identity.engine_version)
    kafka.create_topics(bootstrap, settings.namespace)
    kafka.publish_schemas(bootstrap, settings.namespace)
    if settings.out_suffix:
        kafka.create_topics(bootstrap, settings.namespace, suffix=settings.out_suffix, only=topics.FLOW_OUTPUTS)
    watch = _claimed(bootstrap, settings)
    # After the claim: whoever wrote before us has at most its last quarter of a second left, and no checkpoint.
    beginning = Beginning(bootstrap, settings, context, identity, say)
    start = beginning.find(is_cold=is_cold)
    return Service(
        bootstrap, settings, context, identity, start, wire, socket.gethostname(), say, page, beginning, watch
    )  # fmt: skip


def _claimed(bootstrap: str, settings: FoldSettings) -> ClaimWatch:
    """Claim the group for this process; whoever had it sees that and ends."""
    feed = f"{FLOW_FEED}{settings.group_name}"
    offset = claim(bootstrap, settings.namespace, feed, CLAIMED, socket.gethostname())
    return ClaimWatch(
        bootstrap, settings.namespace, offset, lambda record: record.feed == feed and record.state == CLAIMED
    )
