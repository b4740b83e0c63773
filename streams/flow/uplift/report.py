"""A verdict in words and as JSON.  What was not found is said at the same length as what was."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from streams.flow.uplift.judge import Finding, Result, State, Verdict
from streams.flow.uplift.plan import Compare, Correction, Inference, Plan, Rule


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unit(plan: Plan) -> str:
    return f"blocks of {plan.sampling.block_column}" if plan.sampling.block_column else "samples"


def _head(verdict: Verdict, data_digest: str) -> list[str]:
    plan = verdict.plan
    have, unit = min(verdict.n_units, default=0), _unit(plan)
    lines = [
        f"plan        {plan.title}",
        f"            {verdict.digest}",
        f"registered  {_iso(plan.registered_ns)}, data from {_iso(plan.sampling.begin_ns)} on",
        f"hypothesis  {plan.hypothesis}",
        f"models      A = {plan.model_a}, B = {plan.model_b}",
        f"data        {verdict.n_rows} rows, {_iso(verdict.first_ns)} to {_iso(verdict.last_ns)}",
    ]
    lines += [f"            {data_digest}"] if data_digest else []
    looks = ", ".join(str(n) for n in plan.stop.looks)
    if plan.stop.rule == Rule.FIXED:
        rule = f"one look at {looks} {unit}"
    else:
        rule = f"looks at {looks} {unit}, alpha spent as {plan.stop.spending}"
    lines.append(f"stop        {rule}; {have} there")
    if verdict.state == State.WAITING:
        lines += ["", f"NOT YET: {have} of {plan.stop.looks[0]} {unit}. No outcome was looked at."]
    elif verdict.look is not None:
        used = plan.stop.looks[verdict.look]
        lines.append(
            f"            look {verdict.look + 1} of {len(plan.stop.looks)}; what is beyond {used} is not looked at"
        )
    return lines


def _number(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.4g}"


def _how(result: Result) -> str:
    judged, figures = result.trial.judged, result.trial.figures
    if math.isnan(judged.p_value):
        return judged.note
    if result.test.inference == Inference.BLOCK_BOOTSTRAP:
        what = f"bootstrap of {result.test.n_draws} draws, {result.test.block_kind} blocks of {figures['block_length']:.1f}"
    else:
        names = {
            Inference.DIEBOLD_MARIANO: "Diebold-Mariano (Harvey, Leybourne and Newbold)",
            Inference.NEWEY_WEST: "Newey-West", Inference.COSINES: "cosine series",
        }  # fmt: skip
        what = f"{names[result.test.inference]}: t = {judged.statistic:.3f}, {judged.degrees:.0f} degrees"
    return f"{what}, p = {judged.p_value:.4g} ({result.test.alternative})"


def _against(result: Result, plan: Plan) -> str:
    if result.p_adjusted is not None:
        name = "Holm" if plan.correction == Correction.HOLM else "Benjamini-Hochberg"
        return f"{name} over {len(plan.tests)}: {result.p_adjusted:.4g} against {plan.alpha:g}"
    return f"at look {result.look + 1} held against {result.level:.4g} (Holm over {len(plan.tests)} in all)"


def _verdict(result: Result, plan: Plan, is_over: bool) -> str:
    a, b = plan.model_a, plan.model_b
    words = {
        Finding.B_BETTER: f"B ({b}) forecasts better than A ({a})",
        Finding.A_BETTER: f"A ({a}) forecasts better than B ({b})",
        Finding.B_ADDS: f"B ({b}) says something that A ({a}) and the controls do not",
        Finding.CANNOT_BE_JUDGED: "cannot be judged",
        Finding.NOTHING_FOUND: f"no difference found between A ({a}) and B ({b})",
    }
    if result.test.compare == Compare.COEFFICIENTS:
        words[Finding.NOTHING_FOUND] = f"not found that B ({b}) says anything that A ({a}) and the controls do not"
    return words[result.finding] + ("" if is_over or result.finding != Finding.NOTHING_FOUND else " so far")


def _test_lines(result: Result, verdict: Verdict) -> list[str]:
    test, trial, plan = result.test, result.trial, verdict.plan
    judged, figures = trial.judged, trial.figures
    outcome = f"{test.measure} of {test.outcome_column} over {test.horizon_s:g} s"
    lines = ["", f"{test.name}: {test.claim}"]
    n = f"{trial.n_samples} samples in {trial.n_units} units, an outcome reaches over {trial.n_ahead}"
    per_cent = f"{100 * (1 - plan.alpha):g} %"
    if test.compare == Compare.FORECASTS:
        lines.append(f"  measured  {test.loss} loss of {outcome}; {n}")
        lines.append(f"  found     A {_number(figures['loss_a'])}, B {_number(figures['loss_b'])}; A - B = "
                     f"{_number(judged.estimate)} ({per_cent} interval {_number(judged.low)} to {_number(judged.high)})")  # fmt: skip
    else:
        lines.append(f"  measured  {outcome} per standard deviation of B, with A and the controls; {n}")
        lines.append(
            f"  found     {_number(judged.estimate)} ({per_cent} interval {_number(judged.low)} to {_number(judged.high)})"
        )
        if figures:
            lines.append(f"            R2: controls {figures['r2_controls']:.4f}, with A {figures['r2_with_a']:.4f}, with B "
                         f"{figures['r2_with_b']:.4f}, both {figures['r2_with_both']:.4f}; B adds {figures['r2_added_by_b']:.4f} to A, "
                         f"A adds {figures['r2_added_by_a']:.4f} to B")  # fmt: skip
    lines.append(f"  judged    {_how(result)}")
    if judged.note and not math.isnan(judged.p_value):
        lines.append(f"            {judged.note}")
    lines.append(f"  family    {_against(result, plan)}")
    lines.append(f"  power     {_number(trial.detectable)} would have been found eight times in ten by this test alone")
    if result.dropped:
        lines.append("  left out  " + ", ".join(f"{n} {reason}" for reason, n in result.dropped.items() if n))
        if lines[-1].strip() == "left out":
            lines.pop()
    return [*lines, f"  VERDICT   {_verdict(result, plan, verdict.state == State.DECIDED)}"]


def as_text(verdict: Verdict, data_digest: str = "") -> str:
    """The report, a paragraph a test."""
    lines = _head(verdict, data_digest)
    for result in verdict.results:
        lines += _test_lines(result, verdict)
    if verdict.state == State.GOING_ON and verdict.look is not None:
        n = verdict.plan.stop.looks[verdict.look + 1]
        lines += ["", f"GOES ON: the next look is at {n} {_unit(verdict.plan)}."]
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def as_json(verdict: Verdict, data_digest: str = "") -> dict[str, Any]:
    """The same as an object; null: not known."""
    plan = verdict.plan
    return {
        "plan": plan.title,
        "plan_digest": verdict.digest,
        "data_digest": data_digest or None,
        "state": str(verdict.state),
        "rows": verdict.n_rows,
        "first_ns": verdict.first_ns,
        "last_ns": verdict.last_ns,
        "units_by_test": dict(zip((test.name for test in plan.tests), verdict.n_units, strict=True)),
        "looks": list(plan.stop.looks),
        "look": verdict.look,
        "alpha": plan.alpha,
        "correction": str(plan.correction),
        "tests": [
            {
                "name": result.test.name, "claim": result.test.claim, "finding": str(result.finding), "decided_at_look": result.look,
                **{key: _plain(value) for key, value in result.trial.judged._asdict().items()},
                "p_adjusted": result.p_adjusted, "level": result.level, "n_units": result.trial.n_units,
                "n_samples": result.trial.n_samples, "n_ahead": result.trial.n_ahead, "detectable": _plain(result.trial.detectable),
                "dropped": result.dropped, **{key: _plain(value) for key, value in result.trial.figures.items()},
            }
            for result in verdict.results
        ],
    }  # fmt: skip
