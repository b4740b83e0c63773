"""The settlement average as it grows: one SettlementFixing per grid point, before the Clock that closes it (rule 7)."""

from __future__ import annotations

from typing import NamedTuple

from schemas import SettlementFixing
from streams.ingest.core.messages import NS_PER_DAY, NS_PER_S
from streams.ingest.core.underlyings import PriceIndex


class Rule(NamedTuple):
    """When and how often the index is sampled: n_fixings points, the last one at the expiry."""

    n_fixings: int
    interval_ns: int

    @property
    def window_ns(self) -> int:
        return self.n_fixings * self.interval_ns


# The same numbers as pricers.settlement.RULES (a test says so), without importing Numba into ingest: 1.5 s and 100 MB.
RULES = {"deribit-30min-4s": Rule(450, 4 * NS_PER_S), "deribit-30min-6s": Rule(300, 6 * NS_PER_S)}
DEFAULT_RULE = RULES["deribit-30min-4s"]
EXPIRY_OF_DAY_NS = 8 * 3600 * NS_PER_S
"""Everything expires at 08:00 UTC."""
ESTIMATE_FRESH_NS = 30 * NS_PER_S
PLAUSIBLE_SHARE = 0.2
"""An average solved from the estimate must lie this near the index, as a share of it; else the estimate is not believed."""
CROSS_CHECK_SHARE = 5e-4


def rule_of(fixing: SettlementFixing) -> Rule | None:
    """The rule that a record of the log was made by, told by where its grid point lies."""
    for rule in RULES.values():
        if fixing.expiry_ns - (rule.n_fixings - fixing.grid_index) * rule.interval_ns == fixing.grid_ns:
            return rule
    return None


def window_start_ns(time_ns: int, rule: Rule = DEFAULT_RULE) -> int | None:
    """Start of the settlement window that a time lies in, by the hour of the day alone; None outside."""
    expiry_ns = time_ns - time_ns % NS_PER_DAY + EXPIRY_OF_DAY_NS
    start_ns = expiry_ns - rule.window_ns
    return start_ns if start_ns < time_ns <= expiry_ns else None


class Window:
    """The average of one price index and expiry: n_fixed points known with sum running_sum (USD per coin times count)."""

    def __init__(
        self, price_index: str, expiry_ns: int, rule: Rule = DEFAULT_RULE, last: SettlementFixing | None = None
    ) -> None:
        self.price_index, self.expiry_ns, self.rule = price_index, expiry_ns, rule
        self.n_fixed = last.n_fixed if last else 0
        self.running_sum = last.running_sum if last else 0.0
        self.n_imputed = last.n_imputed if last else 0

    def grid_ns(self, grid_index: int) -> int:
        """Time of grid point 1..n."""
        return self.expiry_ns - (self.rule.n_fixings - grid_index) * self.rule.interval_ns

    @property
    def is_done(self) -> bool:
        return self.n_fixed >= self.rule.n_fixings

    def n_due(self, clock_ns: int) -> int:
        """How many grid points lie at or before a time."""
        left = -(-(self.expiry_ns - clock_ns) // self.rule.interval_ns)
        return min(self.rule.n_fixings, max(0, self.rule.n_fixings - left))

    def missed_ns(self, clock_ns: int) -> int:
        """How long ago the first grid point without a record was; 0: none is due."""
        return max(0, clock_ns - self.grid_ns(self.n_fixed + 1)) if self.n_due(clock_ns) > self.n_fixed else 0

    def due(self, clock_ns: int, index: PriceIndex, estimate_after_ns: int) -> list[SettlementFixing]:
        """Records of every grid point up to ``clock_ns`` that has none yet; the window moves on."""
        n_due = self.n_due(clock_ns)
        if n_due <= self.n_fixed:
            return []
        fixings: list[SettlementFixing] = []
        if self.missed_ns(clock_ns) > estimate_after_ns:
            solved = self._solve(clock_ns, index)
            if solved is not None:
                upto, price = solved
                while self.n_fixed < upto:
                    fixings.append(self._next(price, index, is_imputed=True, is_from_estimate=True))
        while self.n_fixed < n_due:
            grid_ns = self.grid_ns(self.n_fixed + 1)
            price_or_none = index.index_at(grid_ns, self.rule.interval_ns)
            is_imputed = price_or_none is None
            if price_or_none is None:
                price_or_none = index.index_known_at(grid_ns)
            if price_or_none is None:
                break  # nothing is known of this index yet: these grid points count as remaining until it is
            fixings.append(self._next(price_or_none, index, is_imputed=is_imputed))
        return fixings

    def _solve(self, clock_ns: int, index: PriceIndex) -> tuple[int, float] | None:
        """(grid index, price of each missed point up to it) from the venue's estimate = w avg + (1 - w) index, w the elapsed share."""
        estimate = index.estimate
        if estimate is None or index.index_price is None or estimate.ts_event_ns < clock_ns - ESTIMATE_FRESH_NS:
            return None
        n = self.rule.n_fixings
        upto = self.n_due(min(clock_ns, estimate.ts_event_ns))
        if upto <= self.n_fixed:
            return None
        index_price = index.index_known_at(estimate.ts_event_ns) or index.index_price
        running_sum = n * estimate.price - (n - upto) * index_price
        price = (running_sum - self.running_sum) / (upto - self.n_fixed)
        return (upto, price) if abs(price / index_price - 1.0) <= PLAUSIBLE_SHARE else None

    def _next(
        self, price: float, index: PriceIndex, *, is_imputed: bool, is_from_estimate: bool = False
    ) -> SettlementFixing:
        self.n_fixed += 1
        self.running_sum += price
        self.n_imputed += is_imputed
        grid_ns = self.grid_ns(self.n_fixed)
        estimate = index.estimate
        # As of this grid point only: an old estimate under a moved index would make a false alarm.
        is_fresh = estimate is not None and grid_ns - self.rule.interval_ns < estimate.ts_event_ns <= grid_ns + NS_PER_S
        return SettlementFixing(
            grid_ns, 0, 0, self.price_index, self.expiry_ns, self.n_fixed, grid_ns, price, is_imputed, self.n_fixed,
            self.running_sum, self.n_imputed, is_from_estimate, estimate.price if estimate is not None and is_fresh else None,
        )  # fmt: skip

    def is_off(self, fixing: SettlementFixing, index_price: float | None) -> bool:
        """Whether our w avg + (1 - w) index differs from the venue's estimate by more than 5 basis points."""
        if fixing.venue_estimate is None or index_price is None:
            return False
        n = self.rule.n_fixings
        ours = (fixing.running_sum + (n - fixing.n_fixed) * index_price) / n
        return abs(ours / fixing.venue_estimate - 1.0) > CROSS_CHECK_SHARE
