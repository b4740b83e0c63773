"""Implied vols of a batch: every price of every job in one call per payoff, and the digits that a mark price has lost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pricers import Status
from pricers.matrices import IMPLIED_ROWS, TOLERANCE, implied_matrix
from schemas import OptionQuote, RowStatus
from streams.engine.forwards import LARGEST, SMALLEST, Forward, is_price
from streams.engine.inputs import matrix
from streams.engine.jobs import NO_IV, Iv, Job
from streams.engine.measures import tick_at
from streams.engine.settings import NS_PER_S, SECONDS_PER_YEAR, EngineSettings
from streams.engine.state import Facts
from streams.engine.terms import annual

BID, ASK, MARK, LAST = range(4)
CROSSED = Iv(None, RowStatus.CROSSED_QUOTE)
BAD = Iv(None, RowStatus.BAD_INPUT)

ROW_STATUS = [RowStatus.OK if s is Status.FALLBACK else RowStatus[s.name] for s in sorted(Status)]
"""By number of the pricers' Status.  A fallback is a number like any other: of the same engine, at a wider error (pricers._wide)."""


class Requests:
    """Implied vols to be solved: their numbers one after the other in a flat list, and where the answers go."""

    __slots__ = ("numbers", "targets", "total_vol_max")

    def __init__(self, total_vol_max: float) -> None:
        self.numbers: list[float] = []
        """As ``pricers.matrices.IMPLIED_ROWS``."""
        self.targets: list[tuple[Job, int]] = []
        self.total_vol_max = total_vol_max

    def add(
        self, job: Job, slot: int, priced_at: tuple[float, float, float, float, float], tail: tuple[float, ...],
        tick_usd: float,
    ) -> None:  # fmt: skip
        """priced_at: price_usd, forward, strike, sign, next_fixing_s; tail: interval_s, n_fixings, n_fixed, running_sum, rate, carry."""
        self.targets.append((job, slot))
        self.numbers += priced_at
        self.numbers += tail
        # a row has the band of its mark alone
        self.numbers += (tick_usd, self.total_vol_max, TOLERANCE, tick_usd if slot == MARK else math.nan)

    def quoted(
        self, job: Job, slot: int, price: float, at: float, next_fixing_s: float, tail: tuple[float, ...]
    ) -> None:  # fmt: skip
        """A price in the contract's premium unit, made at a forward."""
        facts, contract = job.facts, job.contract
        assert facts is not None and contract is not None  # asked for below
        unit = at if facts.is_inverse else 1.0
        priced_at = (price * unit, at, facts.strike, facts.sign, next_fixing_s)
        self.add(job, slot, priced_at, tail, tick_at(contract, price) * unit)


def solve(jobs: Sequence[Job], settings: EngineSettings) -> None:
    """Fill ``ivs`` of every solving job and of every trade that can be solved."""
    linear, inverse = Requests(settings.total_vol_max), Requests(settings.total_vol_max)
    for job in jobs:
        facts = job.facts
        if job.refusal is None and facts is not None and (job.solves or job.trade is not None):
            _requests(job, facts, inverse if facts.is_inverse else linear, settings)
    for requests, payoff in ((linear, "linear"), (inverse, "inverse")):
        if requests.targets:
            _solve_payoff(requests, payoff, settings)


def _requests(job: Job, facts: Facts, out: Requests, settings: EngineSettings) -> None:
    """The prices of a job that have a vol to be found; what has none gets its status here."""
    forward, contract = job.forward, job.contract
    if forward is None or facts.rule is None or contract is None:
        return
    ivs = job.ivs = [NO_IV, NO_IV, NO_IV, NO_IV]
    rule, fixings, is_inverse = facts.rule, job.fixings, facts.is_inverse
    name = job.inst.name
    terms = annual(name, settings.rate, settings.rates), annual(name, settings.carry, settings.carries)
    tail = (float(rule.interval_s), rule.n_fixings, fixings.n_fixed, fixings.running_sum, *terms)
    trade, quote = job.trade, job.quote
    if trade is not None:
        if trade.price > 0.0:
            out.quoted(job, LAST, trade.price, forward.value, job.next_fixing_s, tail)
        elif trade.price < 0.0:
            ivs[LAST] = BAD
        return
    if job.last_price is not None:
        if job.last_ns < facts.window_ns:  # with the time that was left when it was made, and nothing fixed
            left_s = (facts.first_grid_ns - job.last_ns) / NS_PER_S
            out.quoted(job, LAST, job.last_price, job.last_forward, left_s, (tail[0], tail[1], 0, 0.0, *terms))
        else:
            out.quoted(job, LAST, job.last_price, job.last_forward, job.next_fixing_s, tail)
    if quote is None:
        return
    at, next_fixing_s = _moment_of(quote, job, facts, forward)
    bid, ask, mark = quote.bid, quote.ask, quote.mark
    if bid is not None and ask is not None and bid > ask > 0.0:
        ivs[BID] = ivs[ASK] = CROSSED
    else:
        for slot, price in ((BID, bid), (ASK, ask)):
            if price is not None and price > 0.0:
                out.quoted(job, slot, price, at, next_fixing_s, tail)
            elif price is not None and price < 0.0:
                ivs[slot] = BAD
    if mark is not None and mark > 0.0:
        recovered = unrounded_mark(job, facts, settings)
        if recovered is None:
            out.quoted(job, MARK, mark, at, next_fixing_s, tail)
        else:
            unit = recovered[1] if is_inverse else 1.0
            out.add(job, MARK, recovered, tail, tick_at(contract, mark) * unit)
    elif mark is not None and mark < 0.0:
        ivs[MARK] = BAD


def _moment_of(quote: OptionQuote, job: Job, facts: Facts, forward: Forward) -> tuple[float, float]:
    """Forward, USD per coin, and seconds to the next fixing, under which a quote was made.

    The ones stamped on it: an unmoved quote under a moved forward gives a wrong vol.  The row's own where nothing is stamped, and
    inside the settlement window, where the venue stamps the estimated delivery price.
    """
    stamped = quote.underlying_price
    if stamped is None or not is_price(stamped) or job.now_ns >= facts.window_ns:
        return forward.value, job.next_fixing_s
    return stamped, job.next_fixing_s + (job.now_ns - job.quote_ns) / NS_PER_S


def _solve_payoff(requests: Requests, payoff: str, settings: EngineSettings) -> None:
    found = implied_matrix(matrix(requests.numbers, len(IMPLIED_ROWS)), payoff, settings.engine)
    sigmas, lows, highs, _ = found.answers.tolist()
    numbers = (sigmas, found.status.tolist(), lows, highs)
    for (job, slot), sigma, status, low, high in zip(requests.targets, *numbers, strict=True):
        assert job.ivs is not None  # made with the request
        job.ivs[slot] = Iv(
            sigma if SMALLEST < sigma < LARGEST else None,
            ROW_STATUS[status],
            low if 0.0 <= low < math.inf else None,
            high if SMALLEST < high < LARGEST else None,
        )


def unrounded_mark(job: Job, facts: Facts, settings: EngineSettings) -> tuple[float, float, float, float, float] | None:
    """The venue's mark with the digits that its rounding cut off: (price_usd, forward, strike, sign, next_fixing_s).

    A mark of 4 decimals of a coin says nothing of a deep option.  When Black-76 at the venue's own vol, forward and time
    rounds to the published mark, that price, of the out-of-the-money side, is the venue's mark; else None.  An
    in-the-money mark without a step of time value may be off by a forward of another instant as well: it says nothing itself.
    Before the window it is solved at the venue's own forward and time, where it was made.
    """
    quote, forward = job.quote, job.forward
    if (
        quote is None
        or forward is None
        or quote.mark is None
        or quote.mark_sigma is None
        or quote.underlying_price is None
    ):
        return None
    at, sigma = quote.underlying_price, quote.mark_sigma
    tau_years = (facts.expiry_ns - job.quote_ns) / NS_PER_S / SECONDS_PER_YEAR
    step = settings.mark_step_coin if facts.is_inverse else settings.mark_step_usd
    if not (is_price(at) and 0.0 < sigma < 1e3 and 0.0 < tau_years < 1e3):
        return None
    n_steps = quote.mark / step
    if abs(n_steps - round(n_steps)) > 1e-4:  # not rounded to the step: nothing is lost
        return None
    ratio = at / facts.strike
    if not 1e-100 < ratio < 1e100:
        return None
    total_vol = sigma * math.sqrt(tau_years)
    if not total_vol > 1e-12:
        return None
    own, other = _black_pair(at, facts.strike, ratio, total_vol, facts.sign)
    published = own / at if facts.is_inverse else own
    intrinsic = (at - facts.strike) * facts.sign
    is_in_the_money = intrinsic > 0.0
    allowed = 0.5000001 * step
    unit = at if facts.is_inverse else 1.0
    if is_in_the_money and quote.mark * unit - intrinsic < step * unit:  # the published mark holds no vol at all
        allowed += settings.mark_forward_slack * facts.strike / unit
    if abs(published - quote.mark) > allowed:
        return None
    price = other if is_in_the_money else own
    sign = -facts.sign if is_in_the_money else facts.sign
    if not price > 0.0:
        return None
    if job.now_ns >= facts.window_ns:
        return price, forward.value, facts.strike, sign, job.next_fixing_s
    return price, at, facts.strike, sign, job.next_fixing_s + (job.now_ns - job.quote_ns) / NS_PER_S


def _black_pair(forward: float, strike: float, ratio: float, total_vol: float, sign: float) -> tuple[float, float]:
    """Black-76 of the option and of its other side, USD per coin; undiscounted."""
    d_plus = math.log(ratio) / total_vol + 0.5 * total_vol
    d_minus = d_plus - total_vol
    call = forward * _cdf(d_plus) - strike * _cdf(d_minus)
    put = strike * _cdf(-d_minus) - forward * _cdf(-d_plus)
    return (call, put) if sign > 0.0 else (put, call)


def _cdf(x: float) -> float:
    return 0.5 * math.erfc(-x * math.sqrt(0.5))
