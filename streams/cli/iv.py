"""``greekstream iv``: the implied volatility of one price by every engine, side by side, with band and timings."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from pricers import ImpliedVol, Status, implied_vols, units
from streams.cli.one_option import (
    MEANINGS,
    Case,
    Positive,
    case,
    cell,
    micro,
    option_arguments,
    plain,
    show,
    try_engines,
)


def lines(one: Case, found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The table's lines, vols in points."""

    def cells(text: Any) -> list[str]:
        return ["-" if answer is None else text(answer) for answer, _, _ in found.values()]

    def points(name: str) -> list[str]:
        return cells(lambda answer: cell(units.sigma_points(float(getattr(answer, name))), ",.6f"))

    return [
        ("implied vol, points", points("sigma")),
        ("at half a tick less", points("sigma_low")),
        ("at half a tick more", points("sigma_high")),
        ("model price there, USD", cells(lambda answer: cell(float(answer.price_at_sigma_usd), ",.10g"))),
        ("model evaluations", cells(lambda answer: str(int(answer.n_iterations)))),
        ("status", ["not run" if a is None else Status(int(a.status)).name for a, _, _ in found.values()]),
        ("time", [micro(micros) for _, micros, _ in found.values()]),
    ]


def as_json(answer: ImpliedVol | None, micros: float, refused: str) -> dict[str, Any]:
    if answer is None:
        return {"error": refused}
    numbers = {
        name: plain(getattr(answer, name)) for name in ("sigma", "sigma_low", "sigma_high", "price_at_sigma_usd")
    }
    status = Status(int(answer.status))
    return {**numbers, "n_iterations": int(answer.n_iterations), "status": status.name, "time_us": micros}


@click.command("iv")
@option_arguments
@click.option("--price", required=True, type=Positive(), metavar="PREMIUM", help="The option's price, in --unit.")
@click.option("--unit", type=click.Choice(["coin", "usd"]),
              help="Of --price and --tick. [default: the contract's: coin where it is coin-settled, else usd]")  # fmt: skip
@click.option(
    "--tick", type=Positive(), help="Price tick, in --unit: gives the band of volatilities half a tick either way."
)
def command(price: float, unit: str | None, tick: float | None, is_json: bool, **given: Any) -> None:
    """Implied volatility of one option by every engine, side by side, with the tick's band and timings.

    The price is turned into USD at the forward.  The engine "european" ignores the settlement average: its difference to the
    others is what the average does.  Where there is no volatility the status says why.

    \b
    Example: greekstream iv BTC-27MAR27-120000-C --forward 100000 --price 0.0425 --tick 0.0001
             greekstream iv ETH_USDC-27MAR27-4000-P --forward 4100 --price 95.5 --now 2027-03-20
    """
    one = case(**given)
    unit = unit or ("coin" if one.is_inverse else "usd")
    factor = one.forward if unit == "coin" else 1.0
    price_usd, tick_usd = price * factor, math.nan if tick is None else tick * factor
    found = try_engines(
        one, lambda engine: implied_vols(**one.arguments(engine), price_usd=price_usd, tick_usd=tick_usd)
    )
    warning = one.warning()
    if is_json:
        engines = {engine: as_json(*answer) for engine, answer in found.items()}
        facts = {**one.facts(), "price": price, "unit": unit, "price_usd": price_usd, "tick_usd": plain(tick_usd)}
        click.echo(json.dumps({**facts, "warning": warning, "engines": engines}))
        return
    notes = [f"{engine}: {refused}" for engine, (_, _, refused) in found.items() if refused]
    for engine, (answer, _, _) in found.items():
        meaning = None if answer is None else MEANINGS.get(Status(int(answer.status)))
        notes += [f"{engine}: {meaning}"] if meaning else []
    show(f"{one.title()}, price {price_usd:,.2f} USD", tuple(found), lines(one, found), notes)
    if warning:
        click.echo(f"Warning: {warning}", err=True)
