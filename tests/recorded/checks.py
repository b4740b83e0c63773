"""What the published rows must agree with, from their own fields and from formulas written here with scipy alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from schemas import Greeks, Kind, OptionQuote, OptionType, SettlementFixing, Trigger

Floats = NDArray[np.float64]
SECONDS_PER_YEAR = 365 * 86_400
WINDOW_S, INTERVAL_S = 1_800.0, 4.0
SIGMA_LOW, SIGMA_HIGH, N_HALVINGS = 1e-3, 20.0, 38
"""Where a vol is looked for, and how often the bracket is halved: to 1e-10."""


@dataclass
class Check:
    """One claim: what was compared, how many points, the share that holds, what is needed."""

    name: str
    n_points: int
    share: float
    needed: float
    detail: str = ""

    @property
    def holds(self) -> bool:
        return self.n_points > 0 and self.share >= self.needed

    def __str__(self) -> str:
        return (
            f"{'ok  ' if self.holds else 'FAIL'} {self.name}: {self.share:.4%} of {self.n_points} points "
            f"(needed {self.needed:.1%}) {self.detail}"
        )


def black76(forward: Floats, strike: Floats, sigma: Floats, tau: Floats, sign: Floats) -> tuple[Floats, Floats, Floats]:
    """Undiscounted Black-76: price, delta, vega per 1.00 of sigma."""
    total = sigma * np.sqrt(tau)
    d1 = np.log(forward / strike) / total + total / 2
    price = sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * (d1 - total)))
    return price, sign * ndtr(sign * d1), forward * np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) * np.sqrt(tau)


def european_ivs(price_usd: Floats, forward: Floats, strike: Floats, tau: Floats, sign: Floats) -> Floats:
    """Implied vols by halving a bracket, all at once; nan where a price has none in it."""
    low, high = np.full_like(price_usd, SIGMA_LOW), np.full_like(price_usd, SIGMA_HIGH)
    is_inside = black76(forward, strike, low, tau, sign)[0] <= price_usd
    is_inside &= price_usd <= black76(forward, strike, high, tau, sign)[0]
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        is_low = black76(forward, strike, middle, tau, sign)[0] < price_usd
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return np.where(is_inside, (low + high) / 2, np.nan)


@dataclass
class Rows:
    """Columns of the published rows that the checks need."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    priced: set[str] = field(default_factory=set)
    average_effects: list[float] = field(default_factory=list)
    n_rows: int = 0
    n_priced: int = 0

    FIELDS = (
        "instrument_name", "ts_event_ns", "expiry_ns", "trigger", "forward", "strike", "tau_years", "option_type", "mark",
        "venue_sigma", "venue_delta", "price_usd", "european_price_usd", "sigma", "quote_age_ms", "n_fixed",
    )  # fmt: skip

    def add(self, row: Greeks) -> None:
        if row.kind != Kind.OPTION:
            return
        self.n_rows += 1
        if row.price_usd is None or row.delta is None:
            return
        self.n_priced += 1
        self.priced.add(row.instrument_name)
        self._add_at_the_money(row)
        if row.trigger not in (Trigger.QUOTE, Trigger.MARK, Trigger.SNAPSHOT) or row.quote_age_ms != 0:
            return  # the venue's numbers in the row are older than the row
        for name in self.FIELDS:
            self.values.setdefault(name, []).append(getattr(row, name))

    def _add_at_the_money(self, row: Greeks) -> None:
        """Rows of every trigger for the average's effect: it needs nothing of the venue's."""
        if row.forward is None or row.strike is None or row.tau_years is None or row.sigma is None:
            return
        seconds_left = row.tau_years * SECONDS_PER_YEAR
        effective = row.tau_years - (2 * WINDOW_S / 3 - INTERVAL_S / 2) / SECONDS_PER_YEAR
        # The leading term is an expansion: not for the last minutes before the window.
        if not WINDOW_S < seconds_left < 2 * 86_400 or effective < 0.4 * row.tau_years or not row.european_price_usd:
            return
        if abs(math.log(row.strike / row.forward)) < 0.1 * row.sigma * math.sqrt(row.tau_years):
            want = math.sqrt(effective / row.tau_years) - 1
            self.average_effects.append((row.price_usd / row.european_price_usd - 1) / want)  # type: ignore[operator]

    def column(self, name: str) -> Floats:
        return np.array([np.nan if x is None else x for x in self.values[name]], dtype=np.float64)


def venue_checks(rows: Rows) -> list[Check]:
    """Delta and IV of the venue recomputed, and the average's effect at the money."""
    forward, strike, tau = rows.column("forward"), rows.column("strike"), rows.column("tau_years")
    sign = np.where(np.array(rows.values["option_type"]) == OptionType.CALL, 1.0, -1.0)
    venue_sigma, mark = rows.column("venue_sigma"), rows.column("mark")
    seconds_left = tau * SECONDS_PER_YEAR
    with np.errstate(all="ignore"):
        _, delta, vega = black76(forward, strike, venue_sigma, tau, sign)
        before = (seconds_left > WINDOW_S) & np.isfinite(delta) & np.isfinite(rows.column("venue_delta"))
        error = np.abs(delta - rows.column("venue_delta"))[before]
        checks = [
            Check(
                "Black-76 delta at venue_sigma within 1e-4 of venue_delta",
                error.size,
                float(np.mean(error <= 1e-4)) if error.size else 0.0,
                0.99,
                f"median {np.median(error):.1e}" if error.size else "",
            )
        ]
        wide = before & (vega * 0.01 / forward >= 0.002) & np.isfinite(mark)
        solved = european_ivs((mark * forward)[wide], forward[wide], strike[wide], tau[wide], sign[wide])
        gap = np.abs(solved - venue_sigma[wide]) * 100
        checks.append(
            Check(
                "European IV of the venue's mark within 0.1 points of venue_sigma (vega >= 0.002 coin a point)",
                gap.size,
                float(np.mean(gap <= 0.1)) if gap.size else 0.0,
                0.99,
                f"median {np.nanmedian(gap):.3f} points" if gap.size else "",
            )
        )
        ratio = np.array(rows.average_effects)
        checks.append(
            Check(
                "at the money, under two days: price / European - 1 is sqrt(T_eff/T) - 1 within 20 %",
                ratio.size,
                float(np.mean(np.abs(ratio - 1) <= 0.2)) if ratio.size else 0.0,
                0.99,
                f"median ratio {np.median(ratio):.3f}" if ratio.size else "",
            )
        )
    return checks


@dataclass
class WindowCheck:
    """w avg + (1 - w) index from the fixings alone, against the estimate the venue stamped on the expiring quotes."""

    price_index: str
    tolerance_usd: float
    newest: dict[int, SettlementFixing] = field(default_factory=dict)  # by partition: each is a log of its own
    errors: list[float] = field(default_factory=list)
    n_fixings: int = 0
    n_imputed: int = 0
    n_from_estimate: int = 0

    def on_fixing(self, partition: int, fixing: SettlementFixing) -> None:
        self.newest[partition] = fixing
        if partition == 0:  # the same broadcast stands in all of them
            self.n_fixings += 1
            self.n_imputed += fixing.is_imputed
            self.n_from_estimate += fixing.is_from_estimate

    def on_quote(self, partition: int, quote: OptionQuote, expiry_ns: int, n_fixings: int = 450) -> None:
        fixing = self.newest.get(partition)
        if fixing is None or quote.estimated_delivery_price is None or quote.index_price is None:
            return
        if quote.is_snapshot or not expiry_ns - WINDOW_S * 1e9 < quote.ts_event_ns < expiry_ns:
            return
        weight = fixing.n_fixed / n_fixings
        rebuilt = weight * fixing.running_sum / fixing.n_fixed + (1 - weight) * quote.index_price
        self.errors.append(abs(rebuilt - quote.estimated_delivery_price))

    def check(self) -> Check:
        errors = np.array(self.errors)
        good = float(np.mean(errors <= self.tolerance_usd)) if errors.size else 0.0
        if self.n_fixings != 450:
            good = 0.0  # every grid point has its record, imputed or not
        return Check(
            f"{self.price_index}: rebuilt delivery estimate within {self.tolerance_usd} USD of the venue's",
            errors.size,
            good if self.n_from_estimate == 0 else 0.0,
            1.0,
            f"worst {errors.max():.2f} USD; {self.n_fixings} fixings, {self.n_imputed} imputed, "
            f"{self.n_from_estimate} from the estimate"
            if errors.size
            else f"{self.n_fixings} fixings, {self.n_imputed} imputed",
        )


def usable(quote: OptionQuote, tick_size: float = 0.0005) -> bool:
    """A quote that has to be priced: bid > 0, ask IV below the sentinel, bid < ask; or a mark above one tick."""
    two_sided = (
        quote.bid is not None and quote.ask is not None and quote.ask_sigma is not None and 0 < quote.bid < quote.ask
    )
    return two_sided or (quote.mark is not None and quote.mark > tick_size)


def pricing_check(needed: Iterable[str], rows: Rows) -> Check:
    """Every instrument with a usable quote has a finite price."""
    names = set(needed)
    missing = sorted(names - rows.priced)
    share = 1 - len(missing) / len(names) if names else 0.0
    return Check("every instrument with a usable quote is priced", len(names), share, 1.0, ", ".join(missing[:5]))
