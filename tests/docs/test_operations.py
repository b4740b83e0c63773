"""docs/operations.md has every metric and every setting of the code, as it is there, and nothing else."""

from __future__ import annotations

import dataclasses
import re

import pytest

from streams.metrics import MetricsSettings
from streams.metrics.table import ROLES, full_name
from streams.supervisor import SupervisorSettings
from tests.conftest import ROOT

TEXT = (ROOT / "docs/operations.md").read_text()
ROW = re.compile(r"^\| `(greekstream_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
SETTING = re.compile(r"^\| `GREEKSTREAM_([A-Z]+)_(\w+)` \| (\S+) \| ", re.MULTILINE)


def test_the_tables_of_metrics_are_the_codes() -> None:
    said = [(name, kind, labels.strip(), text) for name, kind, labels, text in ROW.findall(TEXT)]
    have = [
        (full_name(role, metric), metric.kind, ", ".join(metric.labels), metric.text)
        for role, metrics in ROLES.items()
        for metric in metrics
    ]
    assert said == have


@pytest.mark.parametrize(("prefix", "kind"), [("METRICS", MetricsSettings), ("SUPERVISOR", SupervisorSettings)])
def test_the_settings_and_their_defaults_are_the_codes(prefix: str, kind: type) -> None:
    said = {name.lower(): default for room, name, default in SETTING.findall(TEXT) if room == prefix}
    assert said == {field.name: str(field.default) for field in dataclasses.fields(kind)}


def test_metrics_named_in_the_text_exist() -> None:
    have = {full_name(role, metric) for role, metrics in ROLES.items() for metric in metrics}
    assert set(re.findall(r"greekstream_(?:worker|ingest|supervisor|flow|cme|merge|history)_\w+", TEXT)) == have
