"""What ``greekstream price`` and ``greekstream iv`` share: one option from the command line, its engines, timings and table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click
from rich.console import Console
from rich.table import Table

from pricers import ENGINES, QmcSettings, Status, settlement
from pricers.settlement import FixingRecord, Settlement
from schemas import BadName, Kind, OptionType, Payoff, names
from schemas.names import ParsedName
from streams.cli.session import Moment, iso

Function = TypeVar("Function", bound=Callable[..., Any])
Answer = TypeVar("Answer")

NS_PER_S = 1_000_000_000
N_TIMED, TIMED_S = 5, 0.25
"""An engine runs once to compile or load its kernels, then up to so often, or for so long; the best run counts."""
MEANINGS = {
    Status.NO_QUOTE: "no price: it is zero or negative",
    Status.BELOW_INTRINSIC: "the price is at or below the model's least, its value without volatility",
    Status.ABOVE_BOUND: "the price is at or above what any volatility can give",
    Status.DETERMINED: "exercise is certain or impossible, or every fixing is known: no volatility",
    Status.LOW_VEGA: "half a tick moves the volatility far: use the band",
    Status.CAPPED: "the volatility would be beyond what the remaining average can tell",
    Status.BAD_INPUT: "an input is out of its domain: prices and volatilities are positive numbers",
    Status.NOT_CONVERGED: "the search ran out of steps: try engine closed_form",
    Status.FALLBACK: "out of this engine's range: the value comes from its fallback",
}


class Sigma(click.ParamType):
    """A volatility per year: a fraction such as 0.6, or per cent with its sign, 60%."""

    name = "sigma"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            sigma = float(value.removesuffix("%")) / (100.0 if value.endswith("%") else 1.0)
        except ValueError:
            self.fail(f"{value!r} is no volatility; want a fraction such as 0.6, or 60%", param, ctx)
        if not 0.0 <= sigma < math.inf:
            self.fail(f"{value!r}: want 0 or more, such as 0.6 or 60%", param, ctx)
        return sigma


class Positive(click.ParamType):
    """A positive, finite number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0.0 < number < math.inf:
            self.fail(f"{value!r}: want a positive number", param, ctx)
        return number


class Case(NamedTuple):
    """One option at a moment, as the pricers take it."""

    instrument_name: str
    parsed: ParsedName
    now_ns: int
    settlement: Settlement
    forward: float
    rate: float
    carry: float
    qmc: QmcSettings | None
    engines: tuple[str, ...]

    @property
    def payoff(self) -> str:
        return "inverse" if self.parsed.payoff == Payoff.INVERSE else "linear"

    @property
    def is_inverse(self) -> bool:
        return self.payoff == "inverse"

    def arguments(self, engine: str) -> dict[str, Any]:
        """Keyword arguments that pricing and solving have in common."""
        window = self.settlement.window
        return {
            "forward": self.forward,
            "strike": self.parsed.strike,
            "option_sign": -1 if self.parsed.option_type == OptionType.PUT else 1,
            "next_fixing_s": window.next_fixing_s,
            "interval_s": window.interval_s,
            "n_fixings": window.n_fixings,
            "n_fixed": window.n_fixed,
            "running_sum": self.settlement.running_sum,
            "payoff": self.payoff,
            "engine": engine,
            "rate": self.rate,
            "carry": self.carry,
            "qmc": self.qmc,
        }

    def facts(self) -> dict[str, Any]:
        """The inputs, for JSON."""
        window = self.settlement.window
        return {
            "instrument_name": self.instrument_name,
            "payoff": self.payoff,
            "strike": self.parsed.strike,
            "expiry": iso(self.parsed.expiry_ns, 0),
            "now": iso(self.now_ns),
            "tau_years": window.tau_s / settlement.SECONDS_PER_YEAR,
            "settlement_rule": self.settlement.rule.rule_id,
            "forward": self.forward,
            "rate": self.rate,
            "carry": self.carry,
            "n_fixings": window.n_fixings,
            "n_fixed": window.n_fixed,
            "running_sum": self.settlement.running_sum,
            "next_fixing_s": window.next_fixing_s,
        }

    def title(self) -> str:
        window, rule = self.settlement.window, self.settlement.rule
        state = (
            f"{window.n_fixed} of {window.n_fixings} fixings known"
            if window.is_open
            else f"{rule.n_fixings} fixings to come"
        )
        return (
            f"{self.instrument_name}  {self.payoff}, forward {self.forward:,.2f}, {_left(window.tau_s)} left, {state}"
        )

    def warning(self) -> str | None:
        """What the user should know about the fixings that were not given."""
        n_overdue = self.settlement.n_overdue
        if n_overdue == 0:
            return None
        return (
            f"{n_overdue} fixings are due at {iso(self.now_ns, 0)} and not given: they are valued at the forward. Give what is "
            f"known: --fixed {self.settlement.n_due} --running-sum <their sum, USD>"
        )


def _left(seconds: float) -> str:
    for limit, size, unit in ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172_800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86_400.0:.2f} d"


def option_arguments(function: Function) -> Function:
    """The options of both commands."""
    for decorate in reversed((
        click.argument("instrument"),
        click.option("--forward", required=True, type=Positive(), metavar="USD",
                     help="Forward of the expiry, USD per coin (in the window: on the index basis)."),
        click.option("--now", "now_ns", type=Moment(), metavar="TIME",
                     help="Moment of pricing, as 2027-03-27T07:40:00Z. [default: now]"),
        click.option("--fixed", type=click.IntRange(min=0), metavar="N", help="Fixings known, inside the settlement window."),
        click.option("--running-sum", type=Positive(), metavar="USD", help="Their sum (not their mean), USD per coin times N."),
        click.option("--rate", type=float, default=0.0, show_default=True, help="Discount rate, per year, continuous."),
        click.option("--carry", type=float, default=0.0, show_default=True, help="Drift between fixings, per year, continuous."),
        click.option("--engine", "engine_names", multiple=True, metavar="NAME", default=("all",), show_default=True,
                     help=f"{', '.join(ENGINES)} or all; several times: these."),
        click.option("--points", "m_points", type=click.IntRange(4, 20), metavar="M",
                     help="2^M points of the engine qmc. [default: its own]"),
        click.option("--json", "is_json", is_flag=True, help="One JSON object, unrounded, in the pricers' own units."),
    )):  # fmt: skip
        function = decorate(function)
    return function


def case(
    instrument: str,
    forward: float,
    now_ns: int | None,
    fixed: int | None,
    running_sum: float | None,
    rate: float,
    carry: float,
    engine_names: tuple[str, ...],
    m_points: int | None,
) -> Case:
    """Check what the command line says of an option; every error tells what would be right."""
    try:
        parsed = names.parse(instrument)
    except BadName as error:
        raise click.BadParameter(
            f"{error}; want a name such as BTC-27MAR27-120000-C", param_hint="INSTRUMENT"
        ) from error
    if parsed.kind != Kind.OPTION or parsed.is_combo or parsed.expiry_ns is None:
        raise click.BadParameter(
            f"{instrument} is no option; want a name such as BTC-27MAR27-120000-C or ETH_USDC-27MAR27-4000-P",
            param_hint="INSTRUMENT",
        )
    now_ns = time.time_ns() if now_ns is None else now_ns
    if now_ns >= parsed.expiry_ns:
        day_before = iso(parsed.expiry_ns - 86_400 * NS_PER_S, 0)
        raise click.BadParameter(
            f"{instrument} expired at {iso(parsed.expiry_ns, 0)}; give a moment before: --now {day_before}",
            param_hint="--now",
        )
    if (fixed or 0) > 0 and running_sum is None:
        raise click.UsageError(
            f"--fixed {fixed} needs their sum: --running-sum, about {(fixed or 0) * forward:.0f} at this forward"
        )
    if running_sum is not None and not fixed:
        raise click.UsageError("--running-sum needs to know of how many fixings: --fixed N")
    if running_sum is not None and fixed and not 0.6 < running_sum / fixed / forward < 1.7:
        raise click.UsageError(
            f"--running-sum {running_sum:g} over {fixed} fixings is a mean of {running_sum / fixed:g}, far from the forward "
            f"{forward:g}; give the sum of the fixings, not their mean"
        )
    try:
        found = settlement.resolve(
            "option", parsed.base_currency, parsed.expiry_ns, now_ns, FixingRecord(fixed or 0, running_sum or 0.0)
        )
    except ValueError as error:
        raise click.UsageError(f"--fixed and --running-sum: {error}") from error
    if found is None:
        raise click.UsageError(f"no settlement rule is known for {instrument}")
    if found.window.n_fixed > found.n_due:
        raise click.UsageError(
            f"--fixed {fixed}: only {found.n_due} fixings are due at {iso(now_ns, 0)}; the window opens at "
            f"{iso(found.window_start_ns, 0)}: give a later --now"
        )
    qmc = None if m_points is None else QmcSettings(m_points=m_points)
    return Case(instrument, parsed, now_ns, found, forward, rate, carry, qmc, chosen(engine_names))


def chosen(engine_names: tuple[str, ...]) -> tuple[str, ...]:
    """Engines by name, in the pricers' order."""
    for name in engine_names:
        if name != "all" and name not in ENGINES:
            raise click.BadParameter(
                f"{name!r} is unknown; there are {', '.join(ENGINES)} and all", param_hint="--engine"
            )
    return tuple(name for name in ENGINES if "all" in engine_names or name in engine_names)


def timed(run: Callable[[], Answer]) -> tuple[Answer, float]:
    """The answer, and the best wall time of a few runs in microseconds; the run that compiles does not count."""
    answer = run()
    best, deadline_s = math.inf, time.perf_counter() + TIMED_S
    for _ in range(N_TIMED):
        start_s = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start_s)
        if time.perf_counter() > deadline_s:
            break
    return answer, best * 1e6


def try_engines(one: Case, run: Callable[[str], Answer]) -> dict[str, tuple[Answer | None, float, str]]:
    """Per engine its answer, time in microseconds and what it refused, if it did."""
    found: dict[str, tuple[Answer | None, float, str]] = {}
    for engine in one.engines:
        try:
            answer, micros = timed(lambda engine=engine: run(engine))  # type: ignore[misc]
            found[engine] = (answer, micros, "")
        except ValueError as error:  # a call that this engine does not take
            found[engine] = (None, math.nan, str(error))
    return found


def plain(value: Any) -> Any:
    """A number for JSON: null where it is none."""
    number = float(value)
    return number if math.isfinite(number) else None


def show(title: str, engines: tuple[str, ...], lines: list[tuple[str, list[str]]], notes: list[str]) -> None:
    """The table, engines side by side, and what is to be said below it."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for engine in engines:
        table.add_column(engine, justify="right")
    for label, cells in lines:
        table.add_row(label, *cells)
    console = Console()
    if not console.is_terminal:  # a pipe has no width of its own
        console = Console(width=40 + 24 * len(engines))
    console.print(table)
    for note in notes:
        click.echo(note)


def cell(value: float, form: str = ",.6g") -> str:
    return format(value, form) if math.isfinite(value) else "-"


def micro(micros: float) -> str:
    if not math.isfinite(micros):
        return "-"
    return f"{micros:.1f} us" if micros < 1000.0 else f"{micros / 1000.0:.2f} ms"
