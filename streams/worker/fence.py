"""The fence: which records may still be worked on, and whether what an await came back from still holds.

A rebalance may happen in every await.  Faust's generation changes on assignment only: between revocation and assignment
the old number still passes.  So a token is (generation, own count of revocations), and nothing is current while no
partition is owned.  Two checks with equal tokens mean: no rebalance in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Token(NamedTuple):
    """What held when it was taken."""

    generation: int
    n_revocations: int


class Fence:
    """Ownership of partitions as this worker has been told it.  Touched from the event loop only."""

    def __init__(self, generation: Callable[[], int]) -> None:
        self._generation = generation
        self.n_revocations = 0
        self.owned: frozenset[int] = frozenset()

    def assign(self, partitions: Iterable[int]) -> None:
        self.owned = frozenset(partitions)

    def revoke(self) -> None:
        """All partitions are gone, whichever were named: the protocol is eager."""
        self.n_revocations += 1
        self.owned = frozenset()

    def token(self) -> Token:
        return Token(self._generation(), self.n_revocations)

    def holds(self, token: Token) -> bool:
        """Whether no rebalance has begun or ended since the token was taken."""
        return token == self.token()

    def admits(self, partition: int, generation: int | None) -> bool:
        """Whether a record fetched under ``generation`` belongs to what is owned now."""
        return generation == self._generation() and partition in self.owned
