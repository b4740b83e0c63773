"""What can be asked of the folder: reads the files that count, and hands their rows to the pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from streams.flow.ab import FIELDS, ab_row
from streams.flow.perpetual import OrderFlow
from streams.history import asof, volatility
from streams.history.settings import LIVE, HistorySettings
from streams.history.store import StoreError, files, span_of
from streams.history.tables import TABLES, Table, arrow_schema
from streams.history.volatility import NS_PER_S, SECONDS_PER_YEAR, Premium, Realised

DAY_NS = 86_400 * NS_PER_S
USUAL = HistorySettings().tables
GREEKS, FLOW = TABLES["greeks"], TABLES["flow"]
A_BATCH = 1_000
VOLS = ("instrument_name", "kind", "price_index", "expiry_ns", "strike", "option_type", "status", "ts_event_ns", "epoch", "source_offset",
        "result_seq", "forward", "tau_years", "sigma", "delta", "dvol")  # fmt: skip


@dataclass(frozen=True)
class History:
    """A namespace's folder as it was when it was first asked: what is written later is not seen."""

    place: Path
    _files: dict[str, dict[int, list[Path]]] = field(default_factory=dict)

    def files_by_day(self, table: Table) -> dict[int, list[Path]]:
        """The files that count by their day's number since the epoch; StoreError where there is no such table."""
        if table.name not in self._files:
            if not (self.place / table.name).is_dir():
                raise StoreError(f"no table {table.name} in {self.place}; {self._where(table)}")
            by_day: dict[int, list[Path]] = {}
            for path in files(self.place, table):
                by_day.setdefault(span_of(path)[0] // DAY_NS, []).append(path)
            self._files[table.name] = by_day
        return self._files[table.name]

    def _where(self, table: Table) -> str:
        """Where there is such a table, or how one comes to be."""
        others = sorted(path.parent.name for path in self.place.parent.glob(f"*/{table.name}"))
        if others:
            named = " or ".join(
                "without --namespace" if name == LIVE else f"with --namespace {name}" for name in others
            )
            return f"there is one {named}"
        return f"greekstream history{'' if table.name in USUAL else f' --tables {table.name}'} writes it"

    def span_ns(self, table: Table, currency: str = "") -> tuple[int, int] | None:
        """Event times of a table's rows, or of one currency's, lie in it; to a millisecond.  None: it has no row."""
        spans = [
            span_of(path)
            for some in self.files_by_day(table).values()
            for path in some
            if not currency or path.parent.name == f"currency={currency}"
        ]
        return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None


def load(
    history: History, table: Table, begin_ns: int, end_ns: int, *, columns: Sequence[str] | None = None, currency: str = "",
    instruments: Sequence[str] = (),
) -> pa.Table:  # fmt: skip
    """Rows with begin <= ts_event_ns < end.  StoreError where there is no such table.

    Only files whose time and currency fit are opened, and of them only the parts that may hold the instruments.
    """
    by_day = history.files_by_day(table)
    some = [
        str(path)
        for day in sorted(by_day)
        if begin_ns <= (day + 1) * DAY_NS and day * DAY_NS < end_ns
        for path in by_day[day]
        if (not currency or path.parent.name == f"currency={currency}")
        and span_of(path)[0] < end_ns
        and span_of(path)[1] >= begin_ns
    ]
    schema = arrow_schema(table)
    wanted = list(columns) if columns is not None else schema.names
    if not some:
        return schema.empty_table().select(wanted)
    time = ds.field("ts_event_ns")
    where = (time >= begin_ns) & (time < end_ns)
    if instruments:
        where &= ds.field("instrument_name").isin(list(instruments))
    return ds.dataset(some, schema=schema, format="parquet").to_table(columns=wanted, filter=where)


def chain(
    history: History, time_ns: int, *, currency: str = "", max_age_s: float = 65.0, columns: Sequence[str] | None = None
) -> pa.Table:  # fmt: skip
    """The chain as it was known at a moment (``asof.chain_at``)."""
    begin_ns = time_ns - round(max_age_s * NS_PER_S)
    rows = load(history, GREEKS, begin_ns, time_ns + 1, columns=columns, currency=currency)
    return asof.chain_at(rows, time_ns, max_age_s)


def newest(
    history: History, table: Table, time_ns: int, *, currency: str = "", max_age_s: float = 65.0
) -> pa.Table:  # fmt: skip
    """The newest row of each thing of a table at a moment: dealer flow of a currency, an audit or the last trade of an instrument."""
    rows = load(history, table, time_ns - round(max_age_s * NS_PER_S), time_ns + 1, currency=currency)
    return asof.newest_at(rows, table.things, time_ns, max_age_s)


def ab_rows(
    history: History, currency: str, begin_ns: int, end_ns: int, trades: OrderFlow | None = None
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The A/B record (``ab_row``): a row of each final second of dealer flow with begin <= ts_event_ns < end, times rising.

    trades : of the perpetual, for its order flow.

    Errors: StoreError where there is no such table; ValueError where a record does not have both models.
    """
    for day in sorted(history.files_by_day(FLOW)):
        begin, end = max(begin_ns, day * DAY_NS), min(end_ns, (day + 1) * DAY_NS)
        if begin >= end:
            continue
        rows = load(history, FLOW, begin, end, columns=(*FIELDS, "epoch", "log_offset"), currency=currency)
        finals = asof.newest_by(rows.filter(rows["is_final"]), ("ts_event_ns",))
        for batch in finals.to_batches(max_chunksize=A_BATCH):
            yield from (ab_row(one, trades) for one in batch.to_pylist())


def vols(history: History, instrument: str, begin_ns: int, end_ns: int, every_s: float = 60.0) -> pa.Table:
    """An instrument's vols over time: its last row of each interval."""
    names = (*VOLS, "sigma_bid", "sigma_ask", "sigma_mark", "european_sigma", "venue_sigma", "sigma_source")
    rows = load(history, GREEKS, begin_ns, end_ns, columns=names, instruments=[instrument])
    return asof.last_of_each(rows, every_s) if rows.num_rows else rows


class Smile(NamedTuple):
    """One expiry of a moment; fractions a year."""

    expiry_ns: int
    tau_years: float
    forward: float
    sigma_atm: float | None
    risk_reversal_25: float | None
    butterfly_25: float | None


def smiles(rows: pa.Table, time_ns: int) -> list[Smile]:
    """Every expiry of a chain, ascending; options without a vol are left out."""
    usable = rows.filter(pc.and_(pc.equal(rows["kind"], "OPTION"), pc.is_valid(rows["sigma"])))
    found = []
    for expiry_ns in sorted(set(usable["expiry_ns"].to_pylist())):
        of_expiry = usable.filter(pc.equal(usable["expiry_ns"], expiry_ns)).to_pylist()
        forwards = [row["forward"] for row in of_expiry if row["forward"]]
        if not forwards:
            continue
        forward = float(np.median(forwards))
        atm = volatility.at_the_money_sigma(
            [row["strike"] for row in of_expiry], [row["sigma"] for row in of_expiry], forward
        )  # fmt: skip
        call, put = (_at_delta(of_expiry, kind, delta) for kind, delta in (("CALL", 0.25), ("PUT", -0.25)))
        has_wings = call is not None and put is not None
        found.append(
            Smile(
                expiry_ns, (expiry_ns - time_ns) / NS_PER_S / SECONDS_PER_YEAR, forward, atm,
                volatility.risk_reversal(call, put) if has_wings else None,
                volatility.butterfly(call, put, atm) if has_wings and atm is not None else None,
            )
        )  # fmt: skip
    return found


def _at_delta(rows: list[dict[str, Any]], kind: str, delta: float) -> Any:
    some = [row for row in rows if row["option_type"] == kind and row["delta"] is not None]
    return volatility.sigma_at_delta([row["delta"] for row in some], [row["sigma"] for row in some], delta)


def of_one_index(rows: pa.Table, currency: str) -> pa.Table:
    """Rows on the coin's main price index: coin-settled and USDC contracts of one coin have different forwards.

    btc_usd where it has rows, else the index that has the most (ties: the first by name).
    """
    indices = rows["price_index"].to_pylist()
    main = f"{currency.lower()}_usd"
    if main not in indices and indices:
        main = max(sorted(set(indices)), key=indices.count)
    return rows.filter(pc.equal(rows["price_index"], main))


def constant_maturity(rows: pa.Table, time_ns: int, days: float) -> float | None:
    """At-the-money vol of a maturity, from a chain of one price index."""
    known = [one for one in smiles(rows, time_ns) if one.sigma_atm is not None]
    sigmas = [one.sigma_atm for one in known if one.sigma_atm is not None]
    return volatility.constant_maturity_sigma([one.tau_years for one in known], sigmas, days / 365.0)


def _vols_at(history: History, currency: str, time_ns: int) -> pa.Table:
    return of_one_index(chain(history, time_ns, currency=currency, columns=VOLS), currency)


def past_sigmas(history: History, currency: str, time_ns: int, days: float, n_days: int) -> Iterator[tuple[int, float]]:
    """(moment, at-the-money vol of a maturity) at this time of each of the last ``n_days`` days, the newest first; a day whose chain
    says none is left out."""
    for i in range(n_days):
        moment_ns = time_ns - i * DAY_NS
        sigma = constant_maturity(_vols_at(history, currency, moment_ns), moment_ns, days)
        if sigma is not None:
            yield moment_ns, sigma


def realised(
    history: History, currency: str, begin_ns: int, end_ns: int, step_s: float
) -> tuple[Realised, Realised]:  # fmt: skip
    """(close to close, Parkinson) of the coin's index, as the perpetual's rows have it: the coin-settled one's, else the USDC one's."""
    names = ("instrument_name", "ts_event_ns", "epoch", "source_offset", "result_seq", "index_price")
    perpetuals = [f"{currency}-PERPETUAL", f"{currency}_USDC-PERPETUAL"]
    rows = load(
        history, GREEKS, begin_ns, end_ns, columns=names, currency=currency, instruments=perpetuals
    ).filter(pc.field("index_price").is_valid())  # fmt: skip
    known = set(rows["instrument_name"].to_pylist())
    rows = rows.filter(pc.equal(rows["instrument_name"], next((one for one in perpetuals if one in known), "")))
    rows = asof.newest_by(rows, ("instrument_name", "ts_event_ns"))
    times = rows["ts_event_ns"].to_numpy().astype(np.int64)
    prices = rows["index_price"].to_numpy().astype(np.float64)
    found = volatility.bars(times, prices, begin_ns, end_ns, step_s)
    return volatility.close_to_close(found, step_s), volatility.parkinson(found, step_s)


class Standing(NamedTuple):
    """Where a currency's vol stands at a moment (M2, DEFINITIONS 3.13)."""

    time_ns: int
    maturity_days: float
    sigma: float | None
    """At the money, constant maturity."""
    dvol: float | None
    """The venue's own index."""
    rank: float | None
    percentile: float | None
    n_days: int
    """Days of the last 52 weeks that have a vol: rank and percentile are of these."""
    realised_close: Realised
    """Over the maturity's time before the moment."""
    realised_parkinson: Realised
    premium_trailing: Premium | None
    premium_forward: Premium | None
    """Of the vol one maturity ago, against what came since."""


def standing(
    history: History, currency: str, time_ns: int, *, days: float = 30.0, n_days: int = volatility.N_DAYS, step_s: float = 300.0
) -> Standing:  # fmt: skip
    """Vol now, its rank and percentile, realised vol and risk premium."""
    now = _vols_at(history, currency, time_ns)
    sigma = constant_maturity(now, time_ns, days)
    past = dict(past_sigmas(history, currency, time_ns, days, n_days))
    sigmas = list(past.values())
    begin_ns = time_ns - round(days * DAY_NS)
    close, range_ = realised(history, currency, begin_ns, time_ns, step_s)
    before = constant_maturity(_vols_at(history, currency, begin_ns), begin_ns, days)
    dvols = [one for one in now["dvol"].to_pylist() if one is not None]
    return Standing(
        time_ns, days, sigma, dvols[0] if dvols else None,
        None if sigma is None else volatility.iv_rank(sigmas, sigma),
        None if sigma is None else volatility.iv_percentile(sigmas, sigma),
        len(sigmas), close, range_,
        None if sigma is None or close.sigma is None else volatility.risk_premium(sigma, close.sigma, "trailing"),
        None if before is None or close.sigma is None else volatility.risk_premium(before, close.sigma, "forward"),
    )  # fmt: skip
