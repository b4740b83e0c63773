"""H8: a plan says everything before the data are there; what is wrong with it is said in a way that tells how to mend it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import click
import pytest

from streams.cli.uplift import read_yaml
from streams.flow.uplift import PlanError, digest, parse_plan
from tests.uplift_plans import EXAMPLE, coefficient, example, regression, test_of


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of everything that is no mapping and no list."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*place, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*place, i))
    else:
        yield place


def put(said: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """``said`` with another value at a place; None: without that key."""
    out = copy.deepcopy(said)
    at: Any = out
    for key in place[:-1]:
        at = at[key]
    if value is None:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return out


OTHERS = {
    "unit": "ms", "measure": "log_return", "method": "cosines", "correction": "benjamini_hochberg", "compare": None, "rule": None,
    "blocks": "stationary", "length_rule": "cube_root", "loss": "absolute", "registered": "2026-11-30", "alpha": 0.04,
}  # fmt: skip
"""Another value that is valid too; None: none is without more changes."""


def changed(place: tuple[Any, ...], value: Any) -> Any:
    key = place[-1]
    if place[-2:] == ("forecast", "method") or value in ("dvol", "block_bootstrap"):
        return None
    if key in OTHERS:
        return OTHERS[key]
    if key == "begin":
        return "2026-12-02"
    return value + 1 if isinstance(value, int | float) else f"{value}x"


def test_h8_every_value_of_a_plan_is_in_its_digest() -> None:
    said, n = example(), 0
    before = digest(parse_plan(said))
    for place in leaves(said):
        at: Any = said
        for key in place:
            at = at[key]
        other = changed(place, at)
        if other is None:
            continue
        after = put(said, place, other)
        if place[-1] == "length_rule":
            after = put(after, (*place[:-1], "length"), None)
        assert digest(parse_plan(after)) != before, place
        n += 1
    assert n >= 50


def test_h8_comments_and_layout_are_not_in_the_digest() -> None:
    text = EXAMPLE.read_text()
    bare = re.sub(r"(?m)\s*#.*$", "", text).replace(
        "{alpha: 0.05, correction: holm}", "\n  correction: holm\n  alpha: 5.0e-2"
    )
    assert bare != text
    assert digest(parse_plan(read_yaml(bare))) == digest(parse_plan(read_yaml(text)))


SPENDING = {"rule": "alpha_spending", "looks": [20, 40, 60], "spending": "pocock"}


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("hypothesis",), None, "hypothesis: is missing"),
        (("hypotesis",), "x", "hypotesis: is unknown here; did you mean hypothesis?"),
        (("seed",), 1.5, "seed: want a whole number, got 1.5"),
        (("seed",), True, "seed: want a whole number, got True"),
        (("family", "alpha"), 5, "family.alpha: 5 is not between 0.0001 and 0.5"),
        (("family", "alpha"), "5e-2", "YAML reads 1e-3 as text"),
        (("family", "correction"), "hom", "'hom' is unknown; did you mean holm? want one of holm, benjamini_hochberg"),
        (("registered",), "soon", "registered: 'soon' is no time; want one such as 2026-12-01T08:00:00Z"),
        (("registered",), "2026-12-24", "sampling.begin: is before `registered`"),
        (("stop", "n_units"), 59, "stop.n_units: 59 is not between 60"),
        (("stop",), {**SPENDING, "looks": [20, 40]}, "stop.looks: want at most 20, and 60 units or more at the last"),
        (("stop",), {**SPENDING, "looks": [40, 20, 60]}, "stop.looks: want rising numbers from 20 on"),
        (("models", "b"), "european", "models: a and b have the same name"),
        (("sampling", "where", 0, "below"), 0, "sampling.where[0].below: no number is at least 1 and below 0"),
        (("tests",), [], "tests: want a list of mappings"),
        (("tests", 0, "predictor_b", "column"), "ngi_usd_european", "tests[0].predictor_b: is the same column as predictor_a"),
        (("tests", 0, "controls"), None, "'dvol' (implied_vol_control) is missing: what the market's vol says already"),
        (("tests", 1, "controls"), [{"column": "dvol"}], "tests[1].controls: a predictor that is the forecast itself has none"),
        (("tests", 0, "outcome", "horizon_s"), 0, "realised_vol lies ahead: want a horizon above 0"),
        (("tests", 0, "forecast", "train_samples"), 29, "29 is not between 30"),
        (("tests", 0, "inference", "method"), "newey_west", "newey_west does not judge forecasts; want diebold_mariano or"),
        (("tests", 0, "alternative"), "positive", "positive is none of forecasts; want two_sided or b_better"),
        (("tests", 1, "name"), "realised-vol", "tests: the name 'realised-vol' is there twice"),
        (("tests", 2, "loss"), "squared", "tests[2].loss: is unknown here"),
        (("tests", 1, "inference", "draws"), 998, "tests[1].inference.draws: 998 is not between 999"),
        (("family", "alpha"), 0.001, "draws: want 29999 or more, so that alpha over 3 tests is ten draws wide"),
    ],
)  # fmt: skip
def test_h8_what_is_wrong_with_a_plan_is_said_with_its_place(place: tuple[Any, ...], value: Any, says: str) -> None:
    with pytest.raises(PlanError, match=re.escape(says)):
        parse_plan(put(example(), place, value))


def test_h8_all_that_is_wrong_is_said_at_once() -> None:
    said = put(put(put(example(), ("title",), None), ("seed",), "x"), ("tests", 0, "loss"), "cubed")
    with pytest.raises(PlanError) as caught:
        parse_plan(said)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["title", "seed", "tests[0].loss"]


def test_h8_alpha_is_not_spent_over_looks_by_a_rule_that_has_no_looks() -> None:
    said = {**example(), "stop": SPENDING, "family": {"alpha": 0.05, "correction": "benjamini_hochberg"}}
    with pytest.raises(PlanError, match="benjamini_hochberg has no spending of alpha; want holm, or"):
        parse_plan(said)


@pytest.mark.parametrize("value", [None, 3, "text", ["a"]])
def test_h8_what_is_no_mapping_is_refused(value: Any) -> None:
    with pytest.raises(PlanError, match="the plan: want a mapping"):
        parse_plan(value)


@pytest.mark.parametrize("make", [test_of, coefficient, regression])
def test_h8_tests_of_every_kind_are_read(make: Any) -> None:
    plan = parse_plan({**example(), "tests": [make("one"), make("two")]})
    assert [test.name for test in plan.tests] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", "line 2: c stands there twice"),
        ("a: [1", "the plan is no YAML"),
        ("a: 2026-13-01\n", "the plan is no YAML"),
        ("1: 2\n", "line 1: the key 1 is no text"),
    ],
)
def test_h8_yaml_that_says_two_things_is_refused(text: str, says: str) -> None:
    with pytest.raises(click.ClickException, match=says):
        read_yaml(text)
