"""Contract facts: what an option or future is, which future an option is on, and how much coin a contract holds.

Contract    of a definition, or of a row of a settlement file
terms_of    an option with its product, its future and its multiplier, or why there are none
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from schemas import RowStatus
from streams.cme.days import instant_ns
from streams.cme.dbn import Definition
from streams.cme.roots import Family, Product, Root, Table
from streams.cme.settlement_csv import SettlementRow

EUROPEAN, AMERICAN, UNKNOWN = "european", "american", "unknown"
MULTIPLIER_DEFINITION, MULTIPLIER_TABLE = "definition", "table"
LINK_NAMED, LINK_NEXT = "named", "next_expiry"
"""How the future was found: the option's record names it, or it is the first one that expires no earlier."""


class Unpriced(NamedTuple):
    """Why there is no number, in words for people."""

    status: RowStatus
    detail: str
    product: Product | None = None
    """Where that much is known; None: the option is of no product of the table."""


class Contract(NamedTuple):
    """An option or a future of either source."""

    key: str
    """Identifies it within its source: the instrument id, or the columns that name it."""
    name: str
    """The venue's, for people."""
    instrument_id: int | None
    root: str
    """Of options: BTC, P1E; of futures the product's code."""
    option_sign: int
    """+1 call, -1 put, 0 future."""
    strike: float | None
    expiry_ns: int
    multiplier: float | None
    """Coin per contract, where the record says it."""
    exercise_style: str
    """european, american or unknown; of futures unknown."""
    future_key: str | None
    """Key of the future that an option's record names."""
    is_deleted: bool
    source: str
    seen_ns: int
    """When the record was made: of two the later one holds."""


class Terms(NamedTuple):
    """What pricing needs to know of an option beside its own record."""

    product: Product
    family: Family
    multiplier: float
    """Coin per contract."""
    multiplier_source: str
    """definition, or table."""
    future_key: str
    future: Contract | None
    """None where only its prices are known, by the id that the option names."""
    future_link: str
    note: str
    """What is odd and does not keep it from being priced; usually empty."""


class Futures(NamedTuple):
    """The listed futures, by key, and by product in order of expiry."""

    by_key: dict[str, Contract]
    by_product: dict[str, list[Contract]]


def contract_of_definition(found: Definition) -> Contract:
    """From Databento's definition; the multiplier is its ``unit_of_measure_qty``."""
    style = {"E": EUROPEAN, "A": AMERICAN}.get(found.cfi[2:3], UNKNOWN) if found.cfi.startswith("O") else UNKNOWN
    return Contract(
        key=key_of_id(found.instrument_id),
        name=found.raw_symbol,
        instrument_id=found.instrument_id,
        root=found.asset,
        option_sign=found.option_sign,
        strike=found.strike,
        expiry_ns=found.expiration_ns,
        multiplier=found.unit_of_measure_qty,
        exercise_style=style,
        future_key=None if found.underlying_id is None else key_of_id(found.underlying_id),
        is_deleted=found.is_deleted,
        source="dbn",
        seen_ns=found.ts_recv_ns,
    )


def key_of_id(instrument_id: int) -> str:
    """Key of an instrument of Databento's files."""
    return f"id/{instrument_id}"


def contract_of_row(row: SettlementRow, seen_ns: int, table: Table) -> Contract | str:
    """From a settlement file: day from the row, time of day from the product; or what is not known of it, in words.

    Options there are European, as all roots of the table are (contract specifications).
    """
    root = None if row.option_sign == 0 else table.roots.get(row.symbol) or table.roots.get(row.product_id)
    product = table.products.get(row.product_id if row.option_sign == 0 else root.product if root else "")
    if product is None:
        return f"product {row.symbol}"
    day = row.last_trade_day or row.maturity_day
    if day is None:
        return f"{product.code} without a last trade day"
    return Contract(
        key=_row_key(row),
        name=row.name,
        instrument_id=None,
        root=product.code if root is None else root.code,
        option_sign=row.option_sign,
        strike=row.strike,
        expiry_ns=instant_ns(day, product.close),
        multiplier=None,
        exercise_style=UNKNOWN if row.option_sign == 0 else EUROPEAN,
        future_key=f"csv/{row.underlying_id}/{row.underlying_maturity}" if row.underlying_maturity else None,
        is_deleted=False,
        source="settlement_csv",
        seen_ns=seen_ns,
    )


def _row_key(row: SettlementRow) -> str:
    if row.option_sign == 0:
        return f"csv/{row.product_id}/{row.maturity}"
    return f"csv/{row.symbol}/{row.maturity}/{row.option_sign:+d}/{row.strike!r}"


def futures_of(contracts: Iterable[Contract], table: Table) -> Futures:
    """The futures among contracts; those of products that the table lacks can be named by an option and are no product's next."""
    by_key = {one.key: one for one in contracts if one.option_sign == 0 and not one.is_deleted}
    by_product: dict[str, list[Contract]] = {code: [] for code in table.products}
    for one in sorted(by_key.values(), key=lambda future: (future.expiry_ns, future.key)):
        if one.root in by_product:
            by_product[one.root].append(one)
    return Futures(by_key, by_product)


def terms_of(option: Contract, futures: Futures, table: Table) -> Terms | Unpriced:
    """Product, future and multiplier of an option; the first reason in the order in which a person would ask if there are none."""
    root = table.roots.get(option.root)
    named = futures.by_key.get(option.future_key or "")
    product = table.products.get(named.root if named is not None else root.product if root is not None else "")
    if product is None:
        what = option.root if named is None else f"{option.root}, on a future of {named.root}"
        return Unpriced(RowStatus.NO_CONTRACT, f"root {what}, is of no product of the table")
    if option.is_deleted:
        return Unpriced(RowStatus.NOT_OPEN, "deleted from the listing", product)
    if option.exercise_style == AMERICAN:
        return Unpriced(RowStatus.NO_CONTRACT, "exercise style american: only European options are priced", product)
    if option.exercise_style != EUROPEAN and root is None:
        detail = f"exercise style unknown, and root {option.root!r} is not in the table"
        return Unpriced(RowStatus.NO_CONTRACT, detail, product)
    if root is not None and root.product != product.code:
        detail = (
            f"root {root.code} is on {root.product}, but its future {named.name if named else ''} is {product.code}"
        )
        return Unpriced(RowStatus.NO_CONTRACT, detail, product)
    if root is not None and option.expiry_ns < instant_ns(root.valid_from, product.close):
        return Unpriced(RowStatus.NO_CONTRACT, f"expires before {root.code} was listed, {root.valid_from}", product)
    return _linked(option, named, product, root, futures)


def _linked(
    option: Contract, named: Contract | None, product: Product, root: Root | None, futures: Futures
) -> Terms | Unpriced:
    """With the future: the one that the record names, else the next of the product."""
    if option.future_key is None:
        ahead = (one for one in futures.by_product[product.code] if one.expiry_ns >= option.expiry_ns)
        future = next(ahead, None)
        if future is None:
            return Unpriced(
                RowStatus.NO_FORWARD, f"no future of {product.code} expires at or after the option", product
            )
        key, link = future.key, LINK_NEXT
    else:
        key, future, link = option.future_key, named, LINK_NAMED
    if future is not None and future.expiry_ns < option.expiry_ns:
        return Unpriced(RowStatus.NO_CONTRACT, f"its future {future.name} expires before it", product)
    multiplier, source = option.multiplier, MULTIPLIER_DEFINITION
    note = ""
    if multiplier is None:
        multiplier, source = product.multiplier, MULTIPLIER_TABLE
    elif multiplier != product.multiplier:
        note = f"multiplier {multiplier} where the table has {product.multiplier}"
    family = _family(product, root)
    return Terms(product, family, multiplier, source, key, future, link, note)


def _family(product: Product, root: Root | None) -> Family:
    if root is not None:
        return root.family
    return Family.FRIDAY if product.code == "BFF" else Family.UNLISTED


def trade_date_ns(day: date) -> int:
    """A trade date as Databento writes it: its midnight UTC."""
    return (day - date(1970, 1, 1)).days * 86_400 * 10**9
