"""Where CME's files are published to, how often a folder is looked at, and what is too old to be published.

Environment: GREEKSTREAM_CME_<NAME>.  What decides a mark has sections of its own: ``marks`` and ``share``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streams import topics


@dataclass(frozen=True)
class CmeSettings:
    """The service; the marks themselves are decided by ``MarkSettings``."""

    namespace: str = ""
    """Prefix of topics; empty for the live venue."""
    folder: str = ""
    """What is read where the command names no file."""
    profile: str = "local"
    """Of the topics it makes: ``local`` keeps them small, ``server`` keeps them by time."""
    poll_s: float = 5.0
    """A followed folder is looked at so often: files come once a day, people wait for the first answer."""
    settle_s: float = 3.0
    """A file that has changed within this time is still being written."""
    over_days: float = 1.0
    """An option that ended longer ago than this is in no batch of marks: a folder may hold years of them."""
    index_prices: Annotated[tuple[str, ...], "USD per coin"] = ()
    """Index by currency, ``BTC=105000``; without one the market log's of the same moment is taken."""
    index_max_age_s: float = 60.0
    """An index in the log older than this at the moment of the marks is none."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right."""
        topics.check_namespace(self.namespace)
        if self.profile not in topics.PROFILES:
            raise ValueError(f"profile {self.profile!r}: want one of {', '.join(topics.PROFILES)}")
        for name in ("poll_s", "settle_s", "over_days", "index_max_age_s"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; want a number of at least 0")
        if self.poll_s == 0.0:
            raise ValueError("poll_s is 0; want a positive number")
        self.index_price_by_currency()

    def index_price_by_currency(self) -> dict[str, float]:
        """What ``index_prices`` says; ValueError for what it cannot mean."""
        found: dict[str, float] = {}
        for text in self.index_prices:
            currency, _, number = text.partition("=")
            try:
                price = float(number)
            except ValueError:
                price = 0.0
            if not currency.isalnum() or currency in found or not 0.0 < price < float("inf"):
                raise ValueError(f"index_prices {text!r}: want each currency once, as BTC=105000")
            found[currency.upper()] = price
        return found


@dataclass(frozen=True)
class MergeSettings:
    """CME's exposure beside Deribit's.  Environment: GREEKSTREAM_MERGE_<NAME>."""

    namespace: str = ""
    """Prefix of topics; empty for the live venue."""
    profile: str = "local"
    """Of the topics it makes: ``local`` keeps them small, ``server`` keeps them by time."""
    marks_max_age_days: float = 5.0
    """CME's marks older than this at the second of the flow are left out: a long weekend and a day."""
    checkpoint_s: float = 2.0
    """Progress is recorded so often: what is repeated after a crash is no more than that."""
    open_interest: tuple[str, ...] = ()
    """Files and folders with futures open interest: CME's own files, and ``day,currency,venue,open_interest_coin`` of other venues."""
    open_interest_poll_s: float = 60.0
    """These are looked at so often; they change once a day."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right."""
        topics.check_namespace(self.namespace)
        if self.profile not in topics.PROFILES:
            raise ValueError(f"profile {self.profile!r}: want one of {', '.join(topics.PROFILES)}")
        for name in ("marks_max_age_days", "checkpoint_s", "open_interest_poll_s"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; want a positive number")
