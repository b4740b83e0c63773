"""Rows, rejects, tombstones, audits and watermarks, written in the order of the work; the only module that makes records."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pricers import Status
from schemas import (
    DeadLetter,
    Engine,
    ForwardSource,
    Greeks,
    OptionQuote,
    Reject,
    RowStatus,
    SigmaSource,
    TradeGreeks,
    Trigger,
    Watermark,
)
from streams.engine.columns import Row, Rows, head_of, plain
from streams.engine.comparisons import Compared, audited
from streams.engine.jobs import ClockDone, Dead, Expired, FutureJob, Item, Job, SetDone
from streams.engine.located import Content, Identity, Result
from streams.engine.measures import age_ms, spread_pct, times
from streams.engine.measures import is_pin_risk as pin_risk
from streams.engine.refusals import Refusal
from streams.engine.settings import CONVENTION, NS_PER_MS, NS_PER_S, SECONDS_PER_YEAR, EngineSettings
from streams.engine.solve import ROW_STATUS
from streams.engine.state import NEVER, Instrument, Shown, State
from streams.engine.values import HAS_ERROR, IS_NUMBER

NO_REFUSAL = Refusal(RowStatus.OK, "", "")
NO_VALUES: tuple[float | None, ...] = (None,) * 23
NO_TICKER: tuple[float | None, ...] = (None,) * 8
NO_VENUE: tuple[float | None, ...] = (None,) * 7
FUTURE_VALUES = (None, 1.0, *(0.0,) * 8, None, None, *(None,) * 9)
"""std_error, delta 1, gamma to roll_delta 0, no coin greeks, no twin; price_usd and price_coin come before."""
NO_VOLS = (None, RowStatus.NO_QUOTE) * 4 + (None, None)
PAYLOAD_MAX = 65_536
OK, TIME, NO_SOURCE, NO_FORWARD, NO_ENGINE = (
    RowStatus.OK,
    Trigger.TIME,
    SigmaSource.NONE,
    ForwardSource.NONE,
    Engine.NONE,
)
_tuple = tuple.__new__
"""A NamedTuple from a tuple of its fields, in half the time of ``_make``."""
ENGINES = {"closed_form": Engine.CLOSED_FORM, "qmc": Engine.QMC, "paths": Engine.PATHS, "european": Engine.EUROPEAN}


class Writer:
    """Writes results of one batch.  ``result_seq`` counts the results of a source offset over all topics, from 0."""

    def __init__(
        self, state: State, settings: EngineSettings, identity: Identity, numbers: npt.NDArray[np.float64]
    ) -> None:
        self.state, self.settings, self.identity = state, settings, identity
        self.rows = Rows(identity.partition, numbers)
        self.results: list[Result] = []
        self._offset, self._seq = -1, 0
        self._engine = ENGINES.get(settings.engine, Engine.UNKNOWN)
        self._pin_risk_ns = settings.pin_risk_ms * NS_PER_MS
        self._writers: dict[type, Callable[[Any], None]] = {
            Job: self._job,
            FutureJob: self._future,
            Expired: self._expired,
            ClockDone: self._clock,
            SetDone: self._set,
            Dead: self._dead,
        }

    def write(self, item: Item) -> None:
        """Write one item; items of one source offset follow each other."""
        if item.offset != self._offset:
            self._offset, self._seq = item.offset, 0
        self._writers[type(item)](item)

    def _emit(self, topic: str, key: str, content: Content | None, ts_ns: int) -> None:
        # A Kafka time is never negative.
        place = (self._offset, self._seq)
        self.results.append(_tuple(Result, (topic, key, content, ts_ns if ts_ns > 0 else 0, *place)))
        self._seq += 1

    def _emit_row(self, name: str, row: Greeks | Row, ts_ns: int) -> None:
        """A row, which is also the newest one for ``latest`` until the next Clock."""
        self._emit("greeks", name, row, ts_ns)
        pending = self.state.pending
        if name in pending:  # to its end: the newest are the last
            del pending[name]
        pending[name] = row

    # options

    def _job(self, job: Job) -> None:
        if job.trade is not None:
            self._trade(job)
            return
        inst = job.inst
        if (
            job.refusal is None and job.place >= 0 and job.marks & IS_NUMBER
            and inst.reject is OK and not inst.reject_clears and not inst.reject_detail
        ):  # fmt: skip
            # as nearly always: what follows below, with nothing to settle and nothing to tell
            inst.good_ns = job.now_ns
            self._emit_row(inst.name, self._row(job, None), job.now_ns)
            if job.audits:
                self._audit(job)
            return
        refusal = job.refusal or self._outcome(job)
        is_change = self._settle(inst, refusal, job)
        if refusal is not None and not is_change and job.trigger != TIME:
            return  # nothing new to say until its time trigger
        if refusal is None:
            inst.good_ns = job.now_ns
        self._emit_row(inst.name, self._row(job, refusal), job.now_ns)
        self._tell(inst, refusal, is_change, job.now_ns)
        if refusal is None:
            self._audit(job)

    def _audit(self, job: Job) -> None:
        """What the row's numbers were compared with; a row without numbers says itself why."""
        if not job.audits:
            return
        name = job.inst.name
        row = audited(name, job.now_ns, self.identity.partition, self._offset)
        for kind, quantities, ours, others in job.audits:
            for quantity, own, other in zip(quantities, ours, others, strict=True):
                if own is not None or other is not None:
                    compared = Compared._make((row, self._seq, kind, quantity, own, other))
                    self._emit("audit", name, compared, job.now_ns)

    def _outcome(self, job: Job) -> Refusal | None:
        """Why a job whose inputs were fine has no numbers."""
        if job.place < 0:
            statuses = ", ".join(
                f"{side} {status.name}"
                for side, status in zip(("bid", "ask", "mark", "last"), _statuses(job), strict=True)
            )
            return Refusal(RowStatus.NO_SIGMA, f"no vol: {statuses}", "a quote with a usable price arrives")
        if not job.marks & IS_NUMBER:
            status = ROW_STATUS[job.value_status]
            status = RowStatus.NOT_CONVERGED if status in (RowStatus.OK, RowStatus.DETERMINED) else status
            return Refusal(status, f"the pricer says {status.name}", "its inputs change")
        return None

    def _settle(self, inst: Instrument, refusal: Refusal | None, job: Job | FutureJob) -> bool:
        """Keep the standing reject; True when there is something new to tell.

        That is another status or another reason for it (``clears_when`` tells reasons apart), and at the time trigger another
        detail: details carry ages and counts, which would be news with every quote.
        """
        status, detail, clears = refusal or NO_REFUSAL
        is_new = (status, clears) != (inst.reject, inst.reject_clears)
        if not is_new and not (job.trigger == TIME and detail != inst.reject_detail):
            return False
        if status != inst.reject:
            inst.reject_ns = job.now_ns
        inst.reject, inst.reject_detail, inst.reject_clears = status, detail, clears
        return True

    def _tell(self, inst: Instrument, refusal: Refusal | None, is_change: bool, now_ns: int) -> None:
        if not is_change:
            return
        if refusal is None:
            self.state.cleared[inst.name] = None
            self._emit("rejects", inst.name, None, now_ns)
        else:
            self.state.cleared.pop(inst.name, None)
            self._emit_reject(inst, now_ns)

    def _emit_reject(self, inst: Instrument, now_ns: int) -> None:
        reject = Reject(
            inst.name, inst.reject, inst.reject_detail, inst.reject_ns, now_ns, inst.reject_clears,
            self.identity.partition, self._offset, self._seq,
        )  # fmt: skip
        self._emit("rejects", inst.name, reject, now_ns)

    def _engine_of(self, job: Job) -> Engine:
        """Which engine made the values: the closed form hands over to QMC out of its range, and both, out of QMC's, to a
        formula without a standard error (pricers, "closed_form")."""
        if job.value_status != Status.FALLBACK:
            return self._engine
        return Engine.QMC if job.marks & HAS_ERROR else Engine.CLOSED_FORM

    def _row(self, job: Job, refusal: Refusal | None) -> Row:
        """The row of an option, with or without numbers."""
        facts, quote, forward, fixings, now_ns = job.facts, job.quote, job.forward, job.fixings, job.now_ns
        sigma, sigma_source, sigma_age, sd_usd, is_pin_risk = None, NO_SOURCE, None, None, False
        tau_years, n_fixings = None, 0
        if facts is not None:
            left_ns = facts.expiry_ns - now_ns
            tau_years = left_ns / NS_PER_S / SECONDS_PER_YEAR if left_ns > 0 else 0.0
            n_fixings = facts.rule.n_fixings if facts.rule is not None else 0
            if refusal is None and job.sigma is not None and forward is not None:
                sigma, sigma_source, sigma_age = job.sigma, job.sigma_source, age_ms(now_ns, job.sigma_ns)
                sd_usd = job.sd_usd if math.isfinite(job.sd_usd) else None
                if left_ns <= self._pin_risk_ns:
                    is_pin_risk = pin_risk(job, facts, forward.value, sigma, sd_usd, tau_years, self.settings)
        forward_usd, forward_source, forward_age = None, NO_FORWARD, None
        if forward is not None:
            forward_usd, forward_source, forward_ns = forward
            forward_age = age_ms(now_ns, forward_ns)
        ticker, venue, delivery, spread, quote_age = NO_TICKER, NO_VENUE, None, None, None
        if quote is not None:
            is_coin, shown = facts is None or facts.is_inverse, job.inst.shown
            if shown is None or shown.quote is not quote or shown.is_coin is not is_coin:
                shown = job.inst.shown = _shown(quote, is_coin)
            _, _, ticker, known, spread = shown
            venue = known or _venue(quote, times(quote.mark, forward_usd))
            delivery, quote_age = quote.estimated_delivery_price, age_ms(now_ns, job.quote_ns)
        bid, bid_status, ask, ask_status, mark, mark_status, low, high = job.solved
        return self.rows.add(
            job.head or head_of(job.inst.name, job.contract), job.place if refusal is None else -1,
            (
                forward_usd, forward_age, job.index.value if job.index is not None else None, tau_years,
                fixings.running_sum, *ticker, job.dvol, delivery, quote_age, sigma, sigma_age, bid, ask, mark,
                job.sigma_last, low, high, *venue, spread, sd_usd,
            ),
            (
                self._offset, self._seq, job.trigger, now_ns,
                ROW_STATUS[job.value_status] if refusal is None else refusal.status, forward_source, n_fixings,
                fixings.n_fixed, fixings.n_imputed, sigma_source, bid_status, ask_status, mark_status,
                job.sigma_last_status, self._engine_of(job) if refusal is None else NO_ENGINE, job.is_liquid,
                job.is_stale, job.is_cold, is_pin_risk, job.inst.good_ns,
            ),
        )  # fmt: skip

    def _trade(self, job: Job) -> None:
        """One TradeGreeks; the instrument's reject and latest row are not touched."""
        trade, quote = job.trade, job.quote
        assert trade is not None
        refusal = job.refusal or self._outcome(job)
        status = ROW_STATUS[job.value_status] if refusal is None else refusal.status
        values: Sequence[float | None] = NO_VALUES
        if refusal is None:
            values = plain(self.rows.values[job.place])
        own = job.ivs[3] if job.ivs else None
        sigma = job.sigma if refusal is None else None
        engine = self._engine_of(job) if refusal is None else Engine.NONE
        row = TradeGreeks._make((
            *trade, self.identity.partition, self._offset, self._seq, status,
            own.sigma if own is not None else None,
            own.status if own is not None else status,
            job.forward.value if job.forward is not None else None,
            *((quote.open_interest, quote.bid, quote.ask) if quote is not None else (None, None, None)),
            job.dvol, sigma, job.sigma_source if sigma is not None else SigmaSource.NONE,
            engine, *values,
        ))  # fmt: skip
        self._emit("trades", trade.instrument_name, row, job.now_ns)

    # futures, expiries, broadcasts

    def _future(self, job: FutureJob) -> None:
        inst = job.inst
        is_change = self._settle(inst, job.refusal, job)
        if job.refusal is not None and not is_change and job.trigger != Trigger.TIME:
            return
        if job.refusal is None:
            inst.good_ns = job.now_ns
        self._emit_row(inst.name, self._future_row(job), job.now_ns)
        self._tell(inst, job.refusal, is_change, job.now_ns)

    def _future_row(self, job: FutureJob) -> Greeks:
        """Delta 1 per coin of notional, the rest 0, so that positions can be summed from one topic (C34)."""
        now_ns, price = job.now_ns, job.price
        is_good = job.refusal is None and price is not None
        age = age_ms(now_ns, price.ts_ns) if price is not None else None
        expiry_ns = job.contract.expiry_ns
        tau_years = max(0, expiry_ns - now_ns) / NS_PER_S / SECONDS_PER_YEAR if expiry_ns is not None else None
        values = (price.value, 1.0, *FUTURE_VALUES) if is_good and price is not None else NO_VALUES
        return Greeks._make((
            *head_of(job.inst.name, job.contract).fields, self.identity.partition, self._offset, self._seq, job.trigger, now_ns,
            RowStatus.OK if job.refusal is None else job.refusal.status, CONVENTION,
            price.value if price is not None else None,
            ForwardSource.FUTURE if price is not None else ForwardSource.NONE, age,
            job.index.value if job.index is not None else None, tau_years, 0, 0, 0.0, 0,
            job.bid, job.ask, job.mark, job.last, None, None, job.open_interest, job.volume_24h, job.dvol, None, age,
            None, SigmaSource.NONE, None, *NO_VOLS, Engine.NONE, *values, *(None,) * 7, spread_pct(job.bid, job.ask),
            False, age is not None and age > self.settings.forward_stale_ms, False, False, None,
            job.inst.good_ns if job.inst.good_ns != NEVER else None,
        ))  # fmt: skip

    def _expired(self, item: Expired) -> None:
        """The last row, the tombstone of ``latest``, and the end of a standing reject."""
        inst, now_ns = item.inst, item.now_ns
        self._emit("greeks", inst.name, self._expired_row(inst, now_ns), now_ns)
        self.state.pending.pop(inst.name, None)
        self._emit("latest", inst.name, None, now_ns)
        if inst.reject != RowStatus.OK:
            inst.reject = RowStatus.OK
            self.state.cleared[inst.name] = None
            self._emit("rejects", inst.name, None, now_ns)

    def _expired_row(self, inst: Instrument, now_ns: int) -> Greeks:
        contract = inst.contract
        good_ns = inst.good_ns if inst.good_ns != NEVER else None
        quote = inst.quote
        delivery = contract.delivery_price if contract is not None else None
        if delivery is None and quote is not None:
            delivery = quote.estimated_delivery_price
        return Greeks._make((
            *head_of(inst.name, contract).fields, self.identity.partition, self._offset, self._seq, Trigger.EXPIRY, now_ns,
            RowStatus.EXPIRED, CONVENTION, None, ForwardSource.NONE, None, None, 0.0, 0, 0, 0.0, 0, *(None,) * 9, delivery,
            None, None, SigmaSource.NONE, None, *NO_VOLS, Engine.NONE, *NO_VALUES, *(None,) * 7, None, False, False, False,
            False, None, good_ns,
        ))  # fmt: skip

    def _clock(self, item: ClockDone) -> None:
        """Newest rows since the last Clock, with the identity they had, then how far this partition is."""
        ts_ns = max(0, item.now_ns)
        for name, row in self.state.pending.items():
            place = row.identity if type(row) is Row else (row.source_offset, row.result_seq)
            self.results.append(_tuple(Result, ("latest", name, row, ts_ns, *place)))
        self.state.pending = {}
        since_ns = item.now_ns - self.settings.priced_ms * NS_PER_MS
        n_priced = sum([inst.good_ns >= since_ns for inst in item.listed])
        n_rejected = sum([inst.reject != OK for inst in item.listed])
        who = self.identity
        for topic in ("greeks", "trades"):
            mark = Watermark(
                who.partition, item.now_ns, item.offset, item.is_ready, len(item.listed), n_priced, n_rejected, self._seq,
                who.settings_hash, who.engine_version, who.cpu_features, who.wire_format, who.log_id,
            )  # fmt: skip
            self._emit(topic, f"watermark/{who.partition}", mark, item.now_ns)

    def _set(self, item: SetDone) -> None:
        """Rejects are told again after each snapshot, so that a reader of an hour knows them all."""
        for inst in item.known:
            if inst.reject != RowStatus.OK:
                self._emit_reject(inst, item.now_ns)
        for name in sorted(self.state.cleared):
            self._emit("rejects", name, None, item.now_ns)
        self.state.cleared = {}

    def _dead(self, item: Dead) -> None:
        what = item.unreadable
        letter = DeadLetter(
            self.identity.source_topic, self.identity.partition, item.offset, what.reason, what.detail,
            what.payload[:PAYLOAD_MAX],
        )  # fmt: skip
        self._emit("deadletter", f"{self.identity.partition}/{item.offset}", letter, item.now_ns)


def _shown(quote: OptionQuote, is_coin: bool) -> Shown:
    """What rows say of a quote, the forward of their moment apart."""
    ticker = (
        quote.bid, quote.ask, quote.mark, quote.last, quote.bid_size, quote.ask_size, quote.open_interest, quote.volume_24h,
    )  # fmt: skip
    venue = None
    if not is_coin:
        venue = _venue(quote, quote.mark)
    elif quote.underlying_price:
        venue = _venue(quote, times(quote.mark, quote.underlying_price))
    return Shown(quote, is_coin, ticker, venue, spread_pct(quote.bid, quote.ask))


def _venue(quote: OptionQuote, mark_usd: float | None) -> tuple[float | None, ...]:
    return (
        quote.mark_sigma, mark_usd, quote.venue_delta, quote.venue_gamma, quote.venue_vega, quote.venue_theta, quote.venue_rho,
    )  # fmt: skip


def _statuses(job: Job) -> tuple[RowStatus, ...]:
    solved = job.solved
    return (solved.bid_status, solved.ask_status, solved.mark_status, job.sigma_last_status)
