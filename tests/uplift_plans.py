"""Plans and records for the tests of the uplift test: what matters is said, the rest is as in ``examples/uplift.yaml``."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from streams.cli.uplift import read_yaml
from streams.flow.uplift import Plan, Record, parse_plan
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "uplift.yaml"
BEGIN_S = 1_796_112_000  # 1 December 2026, 08:00 UTC: the example's `begin`
STEP_S = 60


def example() -> dict[str, Any]:
    """What the example says, as mappings."""
    return copy.deepcopy(read_yaml(EXAMPLE.read_text()))


def test_of(name: str = "one", **more: Any) -> dict[str, Any]:
    """Whose forecasts of y err less: those of a or of b."""
    return {
        "name": name, "claim": "b is better", "compare": "forecasts", "predictor_a": {"column": "a"}, "predictor_b": {"column": "b"},
        "outcome": {"column": "y", "measure": "as_recorded", "horizon_s": STEP_S}, "forecast": {"method": "predictor"},
        "loss": "squared", "inference": {"method": "diebold_mariano"}, **more,
    }  # fmt: skip


test_of.__test__ = False  # type: ignore[attr-defined]  # pytest: no test


def coefficient(name: str = "one", **more: Any) -> dict[str, Any]:
    """Whether b says something of y that a and the control do not."""
    found = test_of(name, compare="coefficients", controls=[{"column": "dvol"}], inference={"method": "newey_west"})
    return {key: value for key, value in {**found, **more}.items() if key not in ("forecast", "loss")}


def regression(name: str = "one", train_samples: int = 60, **more: Any) -> dict[str, Any]:
    """Rolling forecasts from the control and a, or b."""
    method = {"method": "rolling_regression", "train_samples": train_samples}
    return test_of(name, **{"forecast": method, "controls": [{"column": "dvol"}], **more})


def plan_of(*tests: dict[str, Any], n_units: int = 100, block: str = "", **more: Any) -> Plan:
    """A sample a minute, no filter, one look."""
    said = example()
    said["data"] = {"time": {"column": "t", "unit": "s"}, "max_gap_s": 120}
    said["sampling"] = {"begin": said["sampling"]["begin"], "every_s": STEP_S, **({"block": block} if block else {})}
    said["stop"] = {"rule": "fixed", "n_units": n_units}
    return parse_plan({**said, **more, "tests": list(tests)})


def record_of(**columns: Any) -> Record:
    """Rows a minute apart; columns that are not given are noise without a meaning."""
    n = max(np.size(column) for column in columns.values())
    missing = [name for name in ("y", "a", "b", "dvol") if name not in columns]
    found = dict(zip(missing, np.random.default_rng(99).normal(size=(len(missing), n)), strict=True))
    found |= {name: np.array(column, dtype=np.float64) for name, column in columns.items()}
    return Record((BEGIN_S + STEP_S * np.arange(n, dtype=np.int64)) * 10**9, found, n)


def autoregression(errors: Any, rho: float) -> Any:
    """x(t) = rho x(t - 1) + e(t) along the last axis, from 0."""
    out = np.zeros_like(errors)
    for t in range(errors.shape[-1]):
        out[..., t] = (rho * out[..., t - 1] if t else 0.0) + errors[..., t]
    return out
