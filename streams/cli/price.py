"""``greekstream price``: one option by every engine, side by side, with errors and timings."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from pricers import DEFAULT_ENGINE, Status, Valuation, units, value_options
from streams.cli.one_option import MEANINGS, Case, Sigma, case, cell, micro, option_arguments, plain, show, try_engines

REFERENCE = "closed_form"
"""Differences are to this engine where it ran, else to the default one."""


def row(value: Valuation, one: Case) -> dict[str, float]:
    """A valuation's numbers in display units, by label."""
    price, error, delta, gamma, vega, theta, rho, vanna, charm, volga, roll = (float(v) for v in value[:11])
    found = {
        "price, USD": price,
        "price, coin": units.price_coin(price, one.forward),
        "std error, USD": error,
        "delta": delta,
        "gamma per USD": gamma,
        "vega, USD per point": units.vega_usd_per_point(vega),
        "theta, USD per day": units.theta_usd_per_day(theta),
        "rho, USD per 1 %": units.rho_usd_per_pct(rho),
        "vanna per point": units.vanna_per_point(vanna),
        "charm per day": units.charm_per_day(charm),
        "volga, USD per point²": units.volga_usd_per_point2(volga),
        "roll delta per fixing": roll,
    }
    if one.is_inverse:
        found["delta, coin (net)"] = units.delta_coin(delta, price, one.forward)
        found["gamma, coin per USD"] = units.gamma_coin_per_usd(gamma, delta, price, one.forward)
    return found


def lines(one: Case, found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The table's lines: numbers, the price's difference to the reference, status and time."""
    rows = {engine: row(answer, one) for engine, (answer, _, _) in found.items() if answer is not None}
    reference = (
        REFERENCE if REFERENCE in rows else (DEFAULT_ENGINE if DEFAULT_ENGINE in rows else next(iter(rows), None))
    )
    labels = list(next(iter(rows.values()), {}))
    table = [
        (
            label,
            [
                cell(rows[engine][label], ",.10g" if "price" in label else ",.6g") if engine in rows else "-"
                for engine in found
            ],
        )
        for label in labels
    ]
    if reference is not None and len(rows) > 1:
        gaps = [
            rows[e]["price, USD"] - rows[reference]["price, USD"] if e in rows and e != reference else math.nan
            for e in found
        ]
        table.insert(3, (f"minus {reference}, USD", [cell(gap, "+.3g") for gap in gaps]))
    statuses = [Status(int(answer.status)).name if answer is not None else "not run" for answer, _, _ in found.values()]
    return [*table, ("status", statuses), ("time", [micro(micros) for _, micros, _ in found.values()])]


@click.command("price")
@option_arguments
@click.option("--sigma", required=True, type=Sigma(), metavar="VOL", help="Volatility per year: 0.6 or 60%.")
def command(sigma: float, is_json: bool, **given: Any) -> None:
    """Price and greeks of one option by every engine, side by side, with errors and timings.

    Values are per coin of notional in USD; the name says payoff, strike and expiry, the venue's rule its settlement average.
    Inside the window give the fixings known so far.  Times are of one option, best of a few runs after compilation (which may
    take a minute, once).

    \b
    Example: greekstream price BTC-27MAR27-120000-C --forward 100000 --sigma 0.6
             greekstream price BTC-27MAR27-120000-C --forward 119800 --sigma 60% --now 2027-03-27T07:40:00Z \\
                 --fixed 150 --running-sum 17955000
    """
    one = case(**given)
    found = try_engines(one, lambda engine: value_options(**one.arguments(engine), sigma=sigma))
    warning = one.warning()
    if is_json:
        engines = {
            engine: {"error": refused}
            if answer is None
            else {name: plain(v) for name, v in zip(answer._fields[:-1], answer, strict=False)}
            | {"status": Status(int(answer.status)).name, "time_us": micros}
            for engine, (answer, micros, refused) in found.items()
        }
        click.echo(json.dumps({**one.facts(), "sigma": sigma, "warning": warning, "engines": engines}))
        return
    notes = [f"{engine}: {refused}" for engine, (_, _, refused) in found.items() if refused]
    for engine, (answer, _, _) in found.items():
        meaning = None if answer is None else MEANINGS.get(Status(int(answer.status)))
        notes += [f"{engine}: {meaning}"] if meaning else []
    show(f"{one.title()}, sigma {sigma:.4g}", tuple(found), lines(one, found), notes)
    if warning:
        click.echo(f"Warning: {warning}", err=True)
