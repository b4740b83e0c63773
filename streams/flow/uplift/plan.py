"""A plan of an uplift test: what is claimed, of which columns, measured how and when, before anybody has looked at the data.

``parse_plan`` takes what a YAML file says and gives a ``Plan`` or every problem in it.  ``digest`` is of all that a plan says, defaults
included, and not of its layout or its comments: another digest is another plan.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any, NamedTuple

from streams.flow.uplift.fields import Fields, PlanError

METHOD_VERSION = 1
"""Part of the digest: a change of the arithmetic that can change a verdict counts this up."""
LEAST_UNITS = 60
"""Samples or blocks that a verdict needs (DEFINITIONS 3.8: 60 expiries)."""
LEAST_AT_A_LOOK = 20
"""Fewer, and a t-statistic's tails are not those of its table."""
LEAST_DRAWS = 999


class Rule(StrEnum):
    """When the data are looked at."""

    FIXED = "fixed"
    ALPHA_SPENDING = "alpha_spending"


class Spending(StrEnum):
    """Lan and DeMets's functions: how much of alpha is spent by which share of the sample."""

    OBRIEN_FLEMING = "obrien_fleming"
    POCOCK = "pocock"


class Correction(StrEnum):
    """Of many tests: the chance of one false finding, or the share of false ones among the findings."""

    HOLM = "holm"
    BENJAMINI_HOCHBERG = "benjamini_hochberg"


class Compare(StrEnum):
    """Whose forecasts err less, or whether B says something that A and the controls do not."""

    FORECASTS = "forecasts"
    COEFFICIENTS = "coefficients"


class Measure(StrEnum):
    """What of the outcome's column is predicted."""

    AS_RECORDED = "as_recorded"
    AHEAD = "ahead"
    LOG_RETURN = "log_return"
    ABS_LOG_RETURN = "abs_log_return"
    REALISED_VOL = "realised_vol"


class Transform(StrEnum):
    """Of a predictor or a control, before anything else."""

    NONE = "none"
    ABS = "abs"
    LOG = "log"
    SIGN = "sign"


class Loss(StrEnum):
    """Of a forecast f of y: (y - f)², |y - f|, or 1 where the signs differ."""

    SQUARED = "squared"
    ABSOLUTE = "absolute"
    WRONG_SIGN = "wrong_sign"


class Method(StrEnum):
    """How a forecast is made: the predictor itself, or a least-squares fit on the last rows whose outcomes were known."""

    PREDICTOR = "predictor"
    ROLLING_REGRESSION = "rolling_regression"


class Inference(StrEnum):
    """How sure: the first two of forecasts, the third of coefficients, the last of both."""

    DIEBOLD_MARIANO = "diebold_mariano"
    BLOCK_BOOTSTRAP = "block_bootstrap"
    NEWEY_WEST = "newey_west"
    COSINES = "cosines"


class Alternative(StrEnum):
    """What counts against "no difference": b_better of forecasts alone, positive and negative of coefficients alone."""

    TWO_SIDED = "two_sided"
    B_BETTER = "b_better"
    POSITIVE = "positive"
    NEGATIVE = "negative"


class BlockKind(StrEnum):
    """Blocks of one length, or of random ones of that mean."""

    MOVING = "moving"
    STATIONARY = "stationary"


class LengthRule(StrEnum):
    """The bootstrap's block length, in units: said, n^(1/3), or Politis and White's rule."""

    FIXED = "fixed"
    CUBE_ROOT = "cube_root"
    AUTOMATIC = "automatic"


class TimeUnit(StrEnum):
    """Of the time column."""

    NS = "ns"
    MS = "ms"
    S = "s"
    ISO = "iso"


class Term(NamedTuple):
    column: str
    transform: Transform


class Where(NamedTuple):
    """Rows with at_least <= column < below."""

    column: str
    at_least: float
    below: float


class Data(NamedTuple):
    time_column: str
    time_unit: TimeUnit
    series_column: str
    """Whose rows are read where it equals ``series_equals``; "": all rows are."""
    series_equals: str
    max_gap_s: float
    """A horizon with a longer hole between its rows has no outcome."""


class Sampling(NamedTuple):
    begin_ns: int
    every_s: float
    where: tuple[Where, ...]
    block_column: str
    """Equal values are one unit; "": each sample is one."""


class Stop(NamedTuple):
    rule: Rule
    looks: tuple[int, ...]
    """Units at which the data are looked at; one number of a fixed sample."""
    spending: Spending


class PlannedTest(NamedTuple):
    name: str
    claim: str
    compare: Compare
    outcome_column: str
    measure: Measure
    horizon_s: float
    predictor_a: Term
    predictor_b: Term
    controls: tuple[Term, ...]
    method: Method
    train_samples: int
    loss: Loss
    alternative: Alternative
    inference: Inference
    n_draws: int
    block_kind: BlockKind
    length_rule: LengthRule
    block_length: int


class Plan(NamedTuple):
    title: str
    registered_ns: int
    hypothesis: str
    model_a: str
    model_b: str
    implied_vol_control: str
    data: Data
    sampling: Sampling
    stop: Stop
    alpha: float
    correction: Correction
    seed: int
    tests: tuple[PlannedTest, ...]


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if value in (float("inf"), float("-inf")) else value


def digest(plan: Plan) -> str:
    """``sha256:...`` of everything that the plan says."""
    text = json.dumps({"method": METHOD_VERSION, **_plain(plan)}, sort_keys=True, ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def parse_plan(value: Any) -> Plan:
    """The plan that a mapping says; ``PlanError`` with all that is wrong with it."""
    problems: list[str] = []
    top = Fields(value, "", problems)
    models, family = top.section("models"), top.section("family")
    plan = Plan(
        top.text("title"), top.moment("registered"), top.text("hypothesis"), models.text("a"), models.text("b"),
        top.text("implied_vol_control"), _data(top.section("data")), _sampling(top.section("sampling")),
        _stop(top.section("stop")), family.number("alpha", 1e-4, 0.5), family.choice("correction", Correction),
        top.whole("seed", 0), (),
    )  # fmt: skip
    plan = plan._replace(tests=tuple(_test(fields, plan) for fields in top.sections("tests")))
    for fields in (models, family, top):
        fields.end()
    _check_whole(plan, problems)
    if problems:
        raise PlanError(problems)
    return plan


def _data(fields: Fields) -> Data:
    time = fields.section("time")
    series = fields.section("series") if fields.has("series") else None
    found = Data(
        time.text("column"), time.choice("unit", TimeUnit), series.text("column") if series else "",
        series.text("equals") if series else "", fields.number("max_gap_s", 1e-3, 1e9),
    )  # fmt: skip
    fields.raw("series", is_required=False)
    for each in (time, series, fields):
        if each:
            each.end()
    return found


def _sampling(fields: Fields) -> Sampling:
    where = []
    for each in fields.sections("where", is_required=False):
        low = each.number("at_least", -1e300, 1e300, default=float("-inf"))
        below = each.number("below", -1e300, 1e300, default=float("inf"))
        where.append(Where(each.text("column"), low, below))
        if low >= below:
            each.problem("below", f"no number is at least {low:g} and below {below:g}")
        each.end()
    found = Sampling(
        fields.moment("begin"), fields.number("every_s", 1e-3, 1e9), tuple(where), fields.text("block", "")
    )
    fields.end()
    return found


def _stop(fields: Fields) -> Stop:
    rule = fields.choice("rule", Rule)
    if rule == Rule.FIXED:
        found = Stop(rule, (fields.whole("n_units", LEAST_UNITS),), Spending.OBRIEN_FLEMING)
    else:
        found = Stop(rule, fields.wholes("looks", LEAST_AT_A_LOOK), fields.choice("spending", Spending))
        if found.looks and (found.looks[-1] < LEAST_UNITS or len(found.looks) > 20):
            fields.problem("looks", f"want at most 20, and {LEAST_UNITS} units or more at the last")
    fields.end()
    return found


def _term(fields: Fields, key: str) -> Term:
    each = fields.section(key)
    term = Term(each.text("column"), each.choice("transform", Transform, Transform.NONE))
    each.end()
    return term


INFERENCES = {
    Compare.FORECASTS: (Inference.DIEBOLD_MARIANO, Inference.BLOCK_BOOTSTRAP, Inference.COSINES),
    Compare.COEFFICIENTS: (Inference.NEWEY_WEST, Inference.COSINES),
}
ALTERNATIVES = {
    Compare.FORECASTS: (Alternative.TWO_SIDED, Alternative.B_BETTER),
    Compare.COEFFICIENTS: (Alternative.TWO_SIDED, Alternative.POSITIVE, Alternative.NEGATIVE),
}


def _test(fields: Fields, plan: Plan) -> PlannedTest:
    compare = fields.choice("compare", Compare)
    outcome, inference = fields.section("outcome"), fields.section("inference")
    controls = []
    for each in fields.sections("controls", is_required=False):
        controls.append(Term(each.text("column"), each.choice("transform", Transform, Transform.NONE)))
        each.end()
    method, train, loss = Method.ROLLING_REGRESSION, 0, Loss.SQUARED
    if compare == Compare.FORECASTS:
        forecast = fields.section("forecast")
        method, loss = forecast.choice("method", Method), fields.choice("loss", Loss)
        if method == Method.ROLLING_REGRESSION:
            train = forecast.whole("train_samples", 10 * (2 + len(controls)))
        forecast.end()
    how = inference.choice("method", Inference)
    draws, kind, rule, length = 0, BlockKind.MOVING, LengthRule.FIXED, 0
    if how == Inference.BLOCK_BOOTSTRAP:
        draws, kind = inference.whole("draws", LEAST_DRAWS, 10**6), inference.choice("blocks", BlockKind)
        rule = inference.choice("length_rule", LengthRule)
        length = inference.whole("length", 1) if rule == LengthRule.FIXED else 0
    test = PlannedTest(
        fields.text("name"), fields.text("claim"), compare, outcome.text("column"), outcome.choice("measure", Measure),
        outcome.number("horizon_s", 0.0, 1e9), _term(fields, "predictor_a"), _term(fields, "predictor_b"), tuple(controls),
        method, train, loss, fields.choice("alternative", Alternative, Alternative.TWO_SIDED), how, draws, kind, rule, length,
    )  # fmt: skip
    _check_test(fields, test, plan)
    for each in (outcome, inference, fields):
        each.end()
    return test


def _check_test(fields: Fields, test: PlannedTest, plan: Plan) -> None:
    if test.inference not in INFERENCES[test.compare]:
        want = " or ".join(INFERENCES[test.compare])
        fields.problem("inference.method", f"{test.inference} does not judge {test.compare}; want {want}")
    if test.alternative not in ALTERNATIVES[test.compare]:
        want = " or ".join(ALTERNATIVES[test.compare])
        fields.problem("alternative", f"{test.alternative} is none of {test.compare}; want {want}")
    if test.predictor_a == test.predictor_b:
        fields.problem("predictor_b", "is the same column as predictor_a: want the other model's")
    if test.measure != Measure.AS_RECORDED and test.horizon_s <= 0.0:
        fields.problem("outcome.horizon_s", f"{test.measure} lies ahead: want a horizon above 0")
    if test.method == Method.PREDICTOR and test.controls:
        fields.problem(
            "controls", "a predictor that is the forecast itself has none: leave them out, or fit a regression"
        )
    if test.method != Method.PREDICTOR and plan.implied_vol_control not in [term.column for term in test.controls]:
        fields.problem(
            "controls",
            f"{plan.implied_vol_control!r} (implied_vol_control) is missing: what the market's vol says already counts for "
            "neither model",
        )


def _check_whole(plan: Plan, problems: list[str]) -> None:
    if plan.sampling.begin_ns < plan.registered_ns:
        problems.append(
            "sampling.begin: is before `registered`; data that were there when the plan was written prove nothing"
        )
    if plan.correction == Correction.BENJAMINI_HOCHBERG and plan.stop.rule == Rule.ALPHA_SPENDING:
        problems.append(
            "family.correction: benjamini_hochberg has no spending of alpha; want holm, or stop.rule: fixed"
        )
    names = [test.name for test in plan.tests]
    problems += [
        f"tests: the name {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for test in plan.tests:
        least = 10 * len(plan.tests) / plan.alpha
        if test.n_draws and test.n_draws + 1 < least:
            problems.append(
                f"tests.{test.name}.inference.draws: want {least - 1:.0f} or more, so that alpha over {len(plan.tests)} tests is ten "
                "draws wide"
            )  # fmt: skip
    if plan.model_a == plan.model_b and plan.model_a:
        problems.append("models: a and b have the same name")
