"""Faust's place in the log: moved on when the worker has folded the log past it by itself.

What Faust would still hand over then is known already.  It does so at 5 000 records a second, which after a long catch-up
is minutes in which the partition gets no new record and the group's offset shows a lag that is none.
"""

from __future__ import annotations

from typing import Any

import faust
from aiokafka.errors import IllegalStateError
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

WORTH_ROWS = 2_000
"""Fewer are handed over sooner than a fetch that is under way is given up and made again."""


class Place:
    """Moves the consumer of one app; touched from the event loop only."""

    def __init__(self, app: faust.App, topic: str) -> None:
        self._app, self._topic = app, topic
        self._skipped_to: dict[int, int] = {}

    def on_assigned(self) -> None:
        """Faust goes back to the group's offsets, so must we."""
        self._skipped_to.clear()

    def end(self, partition: int) -> int | None:
        """Offset after the partition's last record, as the newest fetch has told; None while nothing has been fetched."""
        consumer: Any = self._app.consumer
        try:
            highwater: int | None = consumer._thread.highwater(TP(self._topic, partition))
        except (
            AssertionError,
            AttributeError,
            KeyError,
            IllegalStateError,
            ConsumerNotStarted,
        ):  # not assigned, or no more
            return None
        return highwater

    async def skip_to(self, partition: int, offset: int) -> bool:
        """Have Faust go on at ``offset``, the last record folded, if it is far behind; whether it was.

        The record at ``offset`` itself comes once more: its acknowledgement moves the group's offset.  To Faust those
        before it are a gap, as compaction leaves them: it needs no acknowledgement of them.  Records on their way to us
        still come.  That the group's offset jumps is safe: it moves with an acknowledgement, so at a checkpoint, and a
        restore goes by checkpoints alone.  Faust writes a gap out in memory once: 60 MB and 0.2 s a million records (measured).
        """
        consumer: Any = self._app.consumer
        tp = TP(self._topic, partition)
        # Not Faust's own ``seek``: both of its kinds move the mark of what has been read as well, and without a step
        # between that mark and the next record it sees no gap, and waits for acknowledgements for ever.
        read = consumer._read_offset.get(tp)
        if not read or offset - max(read, self._skipped_to.get(partition, 0)) < WORTH_ROWS:
            return False
        self._skipped_to[partition] = offset
        thread = consumer._thread
        try:
            await thread.call_thread(thread.seek, tp, offset)
        except IllegalStateError:  # a rebalance has taken the partition
            return False
        return True
