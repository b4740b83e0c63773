"""The contracts a session knows, and the venue's time by which they expire.  Outlives connections; bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from schemas import InstrumentState, OptionQuote
from streams.deribit import channels
from streams.deribit.channels import SessionSettings
from streams.deribit.contracts import inferred_state
from streams.deribit.events import InstrumentList
from streams.deribit.fields import NS_PER_S

EXPIRY_GRACE_NS = 60 * NS_PER_S
N_TIMES = 16


class VenueClock:
    """The venue's time as its messages tell it.

    Expiry is judged by the least of the last sixteen times, so that one wrong time in the future drops nothing.
    """

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=N_TIMES)
        self._told_ns = 0

    def saw(self, venue_ns: int) -> None:
        """A message carried this time."""
        self._times.append(venue_ns)

    def told(self, venue_ns: int) -> None:
        """The answer to get_time."""
        self._told_ns = venue_ns

    def newest_ns(self, otherwise_ns: int) -> int:
        """The time of the last message that had one."""
        return self._times[-1] if self._times else otherwise_ns

    @property
    def passed_ns(self) -> int:
        """A time that has surely passed: what get_time said, or the least of the last sixteen; 0 before either is known."""
        least_ns = min(self._times) if len(self._times) == N_TIMES else 0
        return max(self._told_ns, least_ns)


class Listing:
    """Contract facts by instrument name, as far as filters and the limit allow."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self.clock = VenueClock()
        self.instruments: dict[str, InstrumentState] = {}
        self._asked_for: set[str] = set()  # names met without a contract, asked for on this connection

    def connected(self) -> None:
        """A new connection: what was asked for on the last one may be asked for again."""
        self._asked_for.clear()

    def passes(self, instrument_name: str) -> bool:
        """Whether the filters let this contract through."""
        return channels.passes(self._settings, instrument_name, self.clock.passed_ns)

    def learn(self, states: Iterable[InstrumentState]) -> list[InstrumentState]:
        """Keep these contracts; returns those that filters, expiry and the limit let in, known ones too."""
        learnt: list[InstrumentState] = []
        for state in states:
            name = state.instrument_name
            is_known = name in self.instruments
            if not self._is_over(state) and self.passes(name) and (is_known or not self._is_full):
                self.instruments[name] = state
                learnt.append(state)
        return learnt

    def infer(self, quote: OptionQuote) -> InstrumentState | None:
        """The contract of a quote whose instrument nobody has listed, made from its name once."""
        name = quote.instrument_name
        if name in self.instruments or self._is_full:
            return None
        state = inferred_state(name, quote.ts_event_ns)
        if state is not None:
            self.instruments[name] = state
        return state

    def should_ask(self, instrument_name: str) -> bool:
        """Whether to ask the venue about this name; True once a connection."""
        if instrument_name in self._asked_for or len(self._asked_for) >= self._settings.max_instruments:
            return False
        self._asked_for.add(instrument_name)
        return True

    def drop(self, instrument_name: str) -> None:
        self.instruments.pop(instrument_name, None)
        self._asked_for.discard(instrument_name)

    def expired(self) -> list[str]:
        """Known contracts whose expiry has surely passed."""
        return [name for name, state in self.instruments.items() if self._is_over(state)]

    def gone(self, answer: InstrumentList, currency: str) -> list[str]:
        """Known contracts of a currency that its whole list no longer holds; none for an empty list, which is no list."""
        listed = {state.instrument_name for state in answer.instruments}
        if not listed:
            return []
        known = (name for name, state in self.instruments.items() if state.settlement_currency == currency)
        return [name for name in known if name not in listed]

    @property
    def _is_full(self) -> bool:
        return len(self.instruments) >= self._settings.max_instruments

    def _is_over(self, state: InstrumentState) -> bool:
        return state.expiry_ns is not None and self.clock.passed_ns > state.expiry_ns + EXPIRY_GRACE_NS
