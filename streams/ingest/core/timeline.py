"""What time it is at the venue, from event times, silence and public/get_time; one bad timestamp cannot move it (rules 2, 3)."""

from __future__ import annotations

from collections import deque

from streams.deribit.events import VenueTime
from streams.ingest.core.messages import NS_PER_MS, NS_PER_S, CoreSettings

JUMP_NS = 2 * NS_PER_S
ALONE = 3
"""A lone source, nobody else speaking in between, is believed when it has said so this often."""
N_EARLY, WITNESSES = 16, 3
"""Times of events kept until the venue has told its own, and how many of them make a median that one bad one cannot move."""
STALL_NS = NS_PER_S
"""Longer between two of our own steps than this: we did not listen, so silence proves nothing yet."""
GRACE_NS = NS_PER_S // 2


class Timeline:
    """The believed venue time.  It never goes back, and no single source can push it far.

    Real time (``wall``): an event counts when it is at most 2 s past our estimate (last venue time plus time passed), and
    past the measured offset.  Further ahead it is believed when public/get_time says so too: our own clock has stood still,
    as it does while a machine sleeps or is moved.  At any speed (``venue``) silence of minutes is normal, so a jump
    is believed when a second source says it too (or one alone three times), or public/get_time does; until then ``observe``
    says to hold the event back.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.is_wall = settings.clock == "wall"
        self.now_ns = 0
        self.venue_ns = 0
        self.offset_ms: float | None = None
        self._venue_at_ns = 0
        self._grace_until_ns = 0
        self._allowance_ns = settings.clock_allowance_ms * NS_PER_MS
        self._quiet_allowance_ns = settings.quiet_allowance_ms * NS_PER_MS
        self._max_silence_ns = settings.max_silence_s * NS_PER_S
        self._suspect: tuple[int, str] | None = None
        self._n_alone = 0
        self._n_observed = self._n_at_answer = 0
        self._answer_ns = 0
        self._early_ns: deque[int] = deque(maxlen=N_EARLY)
        self.is_contradicted = False
        """Since the last answer of public/get_time an event was further ahead than is believed of one alone."""

    @property
    def is_started(self) -> bool:
        return self.venue_ns > 0

    @property
    def has_suspect(self) -> bool:
        """Whether a jump still waits for a second witness."""
        return self._suspect is not None

    def start(self, venue_ns: int) -> None:
        """Believe this time without a witness: the venue's first answer, or what there is when it never answers."""
        self.venue_ns, self._venue_at_ns = venue_ns, self.now_ns

    def start_unanswered(self) -> None:
        """The venue does not tell its time: its events do, by the median of the last few; without any our clock is the best there is."""
        early_ns = sorted(self._early_ns)
        self.start(early_ns[(len(early_ns) - 1) // 2] if len(early_ns) >= WITNESSES else self.now_ns)

    def pass_to(self, now_ns: int) -> None:
        """Our own time goes on; it never goes back."""
        if now_ns > self.now_ns:
            if self.now_ns and now_ns - self.now_ns > STALL_NS:
                self._grace_until_ns = now_ns + GRACE_NS
            self.now_ns = now_ns

    def estimate_ns(self) -> int:
        """Venue time now: the last one seen and, in real time, what has passed since."""
        return self.venue_ns + (self.now_ns - self._venue_at_ns if self.is_wall else 0)

    def latest_ns(self) -> int:
        """Venue time now, rather too late than too early: events on their way to us are older than this."""
        if not self.is_wall or self.offset_ms is None:
            return self.estimate_ns()
        return max(self.estimate_ns(), self.now_ns + int(self.offset_ms * NS_PER_MS))

    def lag_ms(self) -> float | None:
        """How old the newest event is, by the venue's clock; None: no time is known, or it is not real time."""
        if not self.is_wall or not self.is_started:
            return None
        return round((self.now_ns - self.venue_ns) / NS_PER_MS + (self.offset_ms or 0.0), 1)

    def due_ns(self) -> int:
        """Up to here the past is complete as far as we can know."""
        due_ns = self.venue_ns - self._allowance_ns
        if self.is_wall and self.now_ns >= self._grace_until_ns:
            due_ns = max(due_ns, self.estimate_ns() - self._quiet_allowance_ns)
        return due_ns

    def observe(self, ts_ns: int, source: str) -> bool:
        """Take an event's time into account.  False: a jump that nobody else has confirmed; hold the event back (``venue`` only)."""
        self._n_observed += 1
        if ts_ns <= self.venue_ns:
            self._suspect = None
            return True
        if self.is_wall:
            if not self.is_started:
                self._early_ns.append(ts_ns)
            elif ts_ns <= self._wall_limit_ns() or self._is_told(ts_ns):
                self.venue_ns, self._venue_at_ns = ts_ns, self.now_ns
            else:
                self.is_contradicted = True
            return True
        if ts_ns <= self.venue_ns + JUMP_NS:
            self.venue_ns = ts_ns
            self._suspect = None
            return True
        suspect, self._suspect = self._suspect, (ts_ns, source)
        self._n_alone = self._n_alone + 1 if suspect is not None and suspect[1] == source else 1
        if suspect is None or (suspect[1] == source and self._n_alone < ALONE):
            return False
        witnessed_ns = min(ts_ns, suspect[0])
        if self.venue_ns and witnessed_ns - self.venue_ns > self._max_silence_ns:
            return False
        self.venue_ns = witnessed_ns
        if ts_ns > self.venue_ns + JUMP_NS:
            return False
        self._suspect = None
        self.venue_ns = ts_ns
        return True

    def _is_told(self, ts_ns: int) -> bool:
        """Whether public/get_time, too, has said that it is about this time: two witnesses, against our estimate alone."""
        return self.offset_ms is not None and abs(ts_ns - self.now_ns - int(self.offset_ms * NS_PER_MS)) <= JUMP_NS

    def _wall_limit_ns(self) -> int:
        limit_ns = self.estimate_ns() + JUMP_NS
        if self.offset_ms is not None:
            limit_ns = min(limit_ns, self.now_ns + int(self.offset_ms * NS_PER_MS) + JUMP_NS)
        return limit_ns

    def answer(self, time: VenueTime) -> None:
        """public/get_time has answered.

        At any speed an answer may overtake events that the source has queued, so it counts only when the next answer comes and no event
        lay between the two: the source is silent.
        """
        if self.is_wall:
            self.is_contradicted = False
            self.offset_ms = (time.venue_ns - (time.sent_ns + time.recv_ns) / 2) / NS_PER_MS
        if not self.is_started:
            self.start(time.venue_ns)
        elif not self.is_wall:
            if self._suspect is not None and time.venue_ns >= self._suspect[0] - JUMP_NS:
                self.venue_ns = max(self.venue_ns, self._suspect[0])
                self._suspect = None
            if self._n_observed == self._n_at_answer:
                self.venue_ns = max(self.venue_ns, self._answer_ns)
        self._n_at_answer, self._answer_ns = self._n_observed, time.venue_ns
