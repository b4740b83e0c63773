"""Audits: once a minute each priced option against the venue, the European twin and the other engine (C51, H7)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
from scipy.stats import norm

from schemas import Audit, AuditKind, ForwardQuote, ForwardSource, Greeks, InstrumentStatus, RowStatus, Trigger
from streams.engine import EngineSettings, Result
from streams.settings import settings_hash
from tests.logs import CALL, EXPIRIES, FORWARD, NS, PUT, Log, expiry_of, ns, rows

YEAR_S = 365 * 86_400
VENUE = {"venue_delta": 0.51, "venue_gamma": 1e-5, "venue_vega": 16.5, "venue_theta": -70.0, "venue_rho": 2.5}
FIELDS = ("delta", "gamma_per_usd", "vega_usd_per_point", "theta_usd_per_day", "rho_usd_per_pct")
TWIN = (*FIELDS[:4], "price_usd", "vanna_per_point", "charm_per_day", "volga_usd_per_point2")


def audits(results: Iterable[Result], kind: AuditKind | None = None) -> list[Audit]:
    found = [r.record for r in results if r.topic == "audit" and isinstance(r.record, Audit)]
    return [record for record in found if kind is None or record.kind == kind]


def a_minute(name: str = CALL, **quote: object) -> list[Result]:
    """Results of an option's first minute and a bit, one quote in it: one ``time``."""
    log = Log().ready(name)
    log.quote(name, 0.5, **quote)
    log.clocks(1, 61)
    return log.run()


def by_quantity(found: Iterable[Audit]) -> dict[str, Audit]:
    records = {record.quantity: record for record in found}
    assert records
    return records


def black_greeks(forward: float, strike: float, sigma: float, tau: float, sign: float) -> tuple[float, ...]:
    """Textbook Black-76 without a rate, in the order of FIELDS: the forward moves with the rate, one day is 1/365."""
    total = sigma * math.sqrt(tau)
    d1 = math.log(forward / strike) / total + total / 2
    density, delta = norm.pdf(d1), sign * norm.cdf(sign * d1)
    price = forward * delta - sign * strike * norm.cdf(sign * (d1 - total))
    return (
        delta, density / (forward * total), forward * density * math.sqrt(tau) / 100,
        -forward * density * sigma / (2 * math.sqrt(tau)) / 365, tau * (forward * delta - price) / 100,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "sign"), [(CALL, 1.0), (PUT, -1.0)])
def test_venue_audits_hold_black_at_the_venues_own_inputs_against_its_greeks(name: str, sign: float) -> None:
    """C51: its vol, its forward, its moment: not the ones the row is priced with, which are newer."""
    log = Log().ready(name)
    log.quote(name, 0.5, mark_sigma=0.62, underlying_price=30_010.0, **VENUE)
    later = ForwardQuote(EXPIRIES["19APR23"] * NS, 30_200.0, ForwardSource.PARITY, ns(0.9))
    log.underlying(0.9, forwards=[later])
    log.clocks(1, 61)
    results = log.run(EngineSettings(rate=0.05))  # the venue knows no rate
    (row,) = [row for row in rows(results) if row.trigger == Trigger.TIME]
    assert row.forward == 30_200.0
    found = by_quantity(audits(results, AuditKind.VENUE))
    assert tuple(found) == FIELDS
    tau = ((expiry_of(name) or 0) - ns(0.5)) / NS / YEAR_S
    for record, want, published in zip(
        found.values(), black_greeks(30_010.0, 30_000.0, 0.62, tau, sign), VENUE.values(), strict=True
    ):
        assert record.ours == pytest.approx(want, rel=1e-9), record.quantity
        assert record.other == published
        assert record.difference == (record.ours or 0.0) - published
        assert (record.instrument_name, record.ts_event_ns) == (name, row.ts_event_ns)


def test_what_one_side_does_not_say_is_null_and_no_difference() -> None:
    assert not audits(a_minute(), AuditKind.VENUE)  # neither a vol nor a greek
    silent = audits(a_minute(mark_sigma=0.6), AuditKind.VENUE)
    assert [(r.quantity, r.other, r.difference) for r in silent] == [(name, None, None) for name in FIELDS]
    assert all(r.ours is not None for r in silent)
    for quote in ({**VENUE}, {**VENUE, "mark_sigma": 0.0}, {**VENUE, "mark_sigma": 0.6, "underlying_price": None}):
        found = audits(a_minute(**quote), AuditKind.VENUE)
        assert [(r.ours, r.other, r.difference) for r in found] == [(None, value, None) for value in VENUE.values()]


def test_european_audits_are_the_rows_two_models() -> None:
    """H7: what the average changes, with the sign of ours - European."""
    results = a_minute()
    (row,) = [row for row in rows(results) if row.trigger == Trigger.TIME]
    found = by_quantity(audits(results, AuditKind.EUROPEAN))
    assert found.keys() == {"sigma", *TWIN}
    for name in TWIN:
        assert (found[name].ours, found[name].other) == (getattr(row, name), getattr(row, f"european_{name}"))
    assert (found["sigma"].ours, found["sigma"].other) == (row.sigma, row.european_sigma)
    assert all(r.difference == (r.ours or 0.0) - (r.other or 0.0) for r in found.values())


def test_the_european_gamma_is_too_small_an_hour_before_the_end() -> None:
    """E-03: at the money 1.224 times at 1 h, for the average has only T - 2W/3 + h/2 of variance left."""
    name = "BTC_USDC-12APR23-30000-C"
    log = Log()
    log.clock(0)
    log.underlying(0, price_index="btc_usdc")
    log.contract(name)
    log.set(n_here=1)
    log.quote(name, bid=100.0, ask=100.5, mark=100.2)
    log.clocks(1, 61)
    results = log.run()
    (row,) = [row for row in rows(results) if row.trigger == Trigger.TIME]
    gamma = by_quantity(audits(results, AuditKind.EUROPEAN))["gamma_per_usd"]
    tau_s = (row.tau_years or 0.0) * YEAR_S
    assert (gamma.ours or 0.0) / (gamma.other or 1.0) == pytest.approx(math.sqrt(tau_s / (tau_s - 1_200 + 2)), rel=1e-3)
    assert (gamma.difference or 0.0) > 0.0


def sampled_minutes(name: str, settings: EngineSettings, n_minutes: int) -> list[int]:
    log = Log().ready(name)
    log.clocks(1, 60 * n_minutes)
    found = audits(log.run(settings), AuditKind.ENGINE)
    return sorted({record.ts_event_ns // (60 * NS) for record in found})


def test_each_option_meets_the_other_engine_once_in_so_many_minutes() -> None:
    settings = EngineSettings(engine="closed_form", audit_engine_every=4)
    turns = {}
    for name in (CALL, PUT, "BTC-19APR23-31000-C", "BTC-19APR23-32000-C"):
        minutes = sampled_minutes(name, settings, 12)
        assert len(minutes) == 3
        assert {b - a for a, b in itertools.pairwise(minutes)} == {4}
        turns[name] = minutes[0] % 4
    assert len(set(turns.values())) > 1, "not all in one minute"
    assert not sampled_minutes(CALL, replace(settings, audit_engine_every=0), 8)


@pytest.mark.parametrize("name", [CALL, "BTC_USDC-19APR23-30000-C"])
def test_the_engines_are_told_apart_and_agree(name: str) -> None:
    """Ours is the row's engine; QMC is within its standard error of the closed form."""
    found: dict[str, dict[str, Audit]] = {}
    std_error = 0.0
    for engine in ("qmc", "closed_form"):
        log = Log().ready(name)
        log.underlying(0.2, price_index="btc_usdc")
        log.quote(name, 0.5, **({} if name == CALL else {"bid": 990.0, "ask": 1_000.0, "mark": 995.0}))
        log.clocks(1, 61)
        results = log.run(EngineSettings(engine=engine, audit_engine_every=1))
        (row,) = [row for row in rows(results) if row.trigger == Trigger.TIME]
        found[engine] = by_quantity(audits(results, AuditKind.ENGINE))
        assert all(record.ours == getattr(row, quantity) for quantity, record in found[engine].items())
        std_error += row.std_error_usd or 0.0  # null for the closed form
    assert found["qmc"].keys() == {*FIELDS, *TWIN, "roll_delta_per_fixing"}
    price = found["qmc"]["price_usd"]
    assert price.ours != price.other
    assert (
        abs(price.difference or 1.0) <= 6 * std_error + 1e-9 * FORWARD
    )  # 16 scrambles: t at 1e-5; the inverse's bound
    for quantity, record in found["qmc"].items():
        assert record.ours == pytest.approx(record.other, rel=1e-5, abs=1e-12), quantity
        back = found["closed_form"][quantity]
        assert back.other == pytest.approx(record.ours, rel=1e-6, abs=1e-12), "sigma is solved by the row's engine"


def test_where_the_closed_form_hands_over_there_is_nothing_to_compare_with() -> None:
    """A vol of several hundred per cent near the window: QMC against itself would be a silent zero."""
    name = "BTC-12APR23-30000-C"
    log = Log().ready(name)
    log.quote(name, 0.5, bid=0.20, ask=0.21, mark=0.205)
    log.clocks(1, 61)
    for engine in ("qmc", "closed_form"):
        results = log.run(EngineSettings(engine=engine, audit_engine_every=1))
        (row,) = [row for row in rows(results) if row.trigger == Trigger.TIME]
        assert (row.sigma or 0.0) > 10.0
        found = audits(results, AuditKind.ENGINE)
        assert found
        assert {(r.other, r.difference) for r in found} == {(None, None)}
        assert [r.ours for r in found if r.quantity == "delta"] == [row.delta]


def test_a_row_without_numbers_has_no_audit() -> None:
    """It says itself why; the next one with numbers has some."""
    log = Log().ready()
    log.quote(at=0.5, bid=None, ask=None, mark=None, mark_sigma=0.6, **VENUE)
    log.contract(at=0.6, status=InstrumentStatus.CLOSED, is_snapshot=False)
    log.clocks(1, 61)
    (row,) = [row for row in rows(log.run()) if row.trigger == Trigger.TIME]
    assert row.status == RowStatus.NOT_OPEN
    assert not audits(log.run())


def test_futures_and_other_triggers_have_no_audit() -> None:
    log = Log().ready(CALL, "BTC-PERPETUAL")
    for at in range(1, 130):
        log.quote(CALL, at - 0.5, bid=0.0320 + 0.0001 * (at % 3), ask=0.0335, mark_sigma=0.6, **VENUE)
        log.clock(at)
    results = log.run()
    timed = {(r.instrument_name, r.ts_event_ns) for r in rows(results) if r.trigger == Trigger.TIME}
    assert {name for name, _ in timed} == {CALL, "BTC-PERPETUAL"}
    assert {(r.instrument_name, r.ts_event_ns) for r in audits(results)} == {at for at in timed if at[0] == CALL}


def test_audits_follow_their_row_and_are_numbered_with_it() -> None:
    results = [r for r in a_minute(mark_sigma=0.6, **VENUE) if r.topic != "latest"]
    first = next(i for i, r in enumerate(results) if r.topic == "audit")
    row = results[first - 1]
    assert isinstance(row.record, Greeks) and row.record.trigger == Trigger.TIME
    told = list(itertools.takewhile(lambda r: r.topic == "audit", results[first:]))
    assert len(told) == 5 + 9
    assert [r.result_seq for r in told] == list(range(row.result_seq + 1, row.result_seq + 15))
    assert {(r.key, r.ts_ns, r.source_offset) for r in told} == {(CALL, row.ts_ns, row.source_offset)}
    for r in told:
        assert isinstance(r.record, Audit)
        assert (r.record.source_partition, r.record.source_offset, r.record.result_seq) == (
            3,
            r.source_offset,
            r.result_seq,
        )


def test_switched_off_nothing_else_changes_but_the_numbering_and_the_hash() -> None:
    log = Log().ready()
    log.quote(at=0.5, mark_sigma=0.6, **VENUE)
    log.clocks(1, 61)
    on, off = (log.run(EngineSettings(audit=is_on)) for is_on in (True, False))
    assert audits(on) and not audits(off)
    assert [row._replace(result_seq=0) for row in rows(on)] == [row._replace(result_seq=0) for row in rows(off)]
    hashes = {
        settings_hash(s) for s in (EngineSettings(), EngineSettings(audit=False), EngineSettings(audit_engine_every=9))
    }
    assert len(hashes) == 3
    with pytest.raises(ValueError, match="want a number of at least 0"):
        EngineSettings(audit_engine_every=-1)
