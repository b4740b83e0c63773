"""H8: ``greekstream uplift``: files in, a verdict out; the page's example is what the command prints."""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from tests.conftest import ROOT
from tests.uplift_plans import EXAMPLE
from tests.uplift_world import ab_rows, write

NOT_YET = 3


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return ab_rows(seed=7, n_expiries=90)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> Path:
    path = tmp_path_factory.mktemp("uplift") / "ab.csv"
    write(path, rows)
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["uplift", *map(str, arguments)])


def test_h8_the_pages_example_is_what_the_command_prints(data: Path) -> None:
    shown = re.search(r"```text\n(.*?)```", (ROOT / "docs" / "uplift.md").read_text(), re.DOTALL)
    done = run(EXAMPLE, data)
    assert done.exit_code == 0 and shown is not None
    assert done.output == shown.group(1)


def test_h8_the_planted_effect_of_the_example_is_found_and_without_it_nothing_is(data: Path, tmp_path: Path) -> None:
    found = json.loads(run(EXAMPLE, data, "--json").output)
    assert [test["finding"] for test in found["tests"]] == ["b_better", "b_better", "b_adds"]
    null = tmp_path / "null.csv"
    write(null, ab_rows(seed=8, n_expiries=90, effect=0.0))
    done = run(EXAMPLE, null, "--json")
    assert done.exit_code == 0, "a null result is a result"
    assert [test["finding"] for test in json.loads(done.output)["tests"]] == ["nothing_found"] * 3


@pytest.mark.parametrize("kind", [".jsonl", ".csv.gz", ".ndjson.gz"])
def test_h8_every_kind_of_file_says_the_same(data: Path, rows: list[dict[str, Any]], tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"ab{kind}"
    content = data.read_bytes() if "csv" in kind else "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    want, got = (json.loads(run(EXAMPLE, each, "--json").output) for each in (data, path))
    assert want.pop("data_digest") != got.pop("data_digest")
    assert got == want


def test_h8_before_its_time_the_command_says_how_many_units_there_are_and_ends_with_3(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    write(path, ab_rows(seed=7, n_expiries=50))
    done = run(EXAMPLE, path)
    assert done.exit_code == NOT_YET
    assert "NOT YET: 30 of 60 blocks of expiry_ns. No outcome was looked at." in done.output
    assert "VERDICT" not in done.output


def test_h8_the_digest_is_printed_before_and_with_the_result_and_another_plan_is_refused(
    data: Path, tmp_path: Path
) -> None:
    (digest,) = re.findall(r"sha256:\w+", run(EXAMPLE).output)
    assert json.loads(run(EXAMPLE, data, "--json").output)["plan_digest"] == digest
    assert run(EXAMPLE, data, "--expect", digest).exit_code == 0
    other = tmp_path / "other.yaml"
    other.write_text(EXAMPLE.read_text().replace("alpha: 0.05", "alpha: 0.06"))
    done = run(other, data, "--expect", digest)
    assert done.exit_code == 1 and "this is another plan" in done.output and "VERDICT" not in done.output


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("ab.txt", "", "want one of .csv, .jsonl, .ndjson, .parquet"),
        ("ab.csv", "time\n1\n", "no column ts_event_ns"),
        ("ab.jsonl", "{\n", "line 1 is no JSON"),
        ("ab.jsonl", "[1]\n", "line 1: want one JSON object a line"),
        ("gone.csv", None, "gone.csv: No such file or directory\n"),
        ("ab.csv.gz", "no gzip", "ot a gzipped file"),
    ],
)
def test_h8_data_that_cannot_be_read_are_one_line(tmp_path: Path, name: str, content: str | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    done = run(EXAMPLE, path)
    assert done.exit_code == 1 and says in done.output
    assert done.output.startswith("Error: ") and done.output.count("\n") == 1


def test_h8_parquet_without_pyarrow_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run(EXAMPLE, tmp_path / "ab.parquet")
    assert done.exit_code == 1 and "install it, or write CSV or JSON lines" in done.output


@pytest.mark.parametrize(
    ("content", "says"), [(None, "plan.yaml: No such file or directory\n"), ("title: x\n", "registered: is missing")]
)
def test_h8_a_plan_that_cannot_be_used_says_why(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "plan.yaml"
    if content is not None:
        path.write_text(content)
    done = run(path)
    assert done.exit_code == 1 and says in done.output and "Traceback" not in done.output
