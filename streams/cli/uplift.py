"""``greekstream uplift``: do settlement-average exposures predict better than European ones?"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from streams.flow.uplift import Plan

NOT_YET = 3
"""Exit status while the plan does not allow a verdict."""
KINDS = (".csv", ".jsonl", ".ndjson", ".parquet")


def read_yaml(text: str) -> Any:
    """YAML in which no key stands twice; ClickException otherwise."""
    import yaml

    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader: Strict, node: yaml.MappingNode) -> dict[Any, Any]:
        pairs = [(loader.construct_object(key), loader.construct_object(value, deep=True)) for key, value in node.value]
        keys = [key for key, _ in pairs]
        for i, (key_node, _) in enumerate(node.value):
            line = f"line {key_node.start_mark.line + 1}"
            if not isinstance(keys[i], str):
                raise click.ClickException(f"{line}: the key {keys[i]!r} is no text; put it in quotes")
            if keys[i] in keys[:i]:
                raise click.ClickException(f"{line}: {keys[i]} stands there twice")
        return dict(pairs)

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        return yaml.load(text, Strict)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-01
        raise click.ClickException(f"the plan is no YAML: {error}") from error


def why(error: Exception) -> str:
    """What is wrong, without the number and the path that an OSError repeats."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def read_plan(path: Path) -> Plan:
    from streams.flow.uplift import PlanError, parse_plan

    try:
        return parse_plan(read_yaml(path.read_text()))
    except PlanError as error:
        raise click.ClickException(f"{path}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"cannot read {path}: {why(error)}") from error


def _lines(file: IO[str]) -> Iterator[dict[str, Any]]:
    for n, line in enumerate(file, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise click.ClickException(f"line {n} is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise click.ClickException(f"line {n}: want one JSON object a line")
            yield row


def rows_of(path: Path, stack: ExitStack) -> Iterator[dict[str, Any]]:
    """Rows of a file of one of KINDS; the first two may be packed with gzip (.gz)."""
    is_packed = path.suffix == ".gz"
    kind = Path(path.stem).suffix if is_packed else path.suffix
    if kind not in KINDS or (is_packed and kind == ".parquet"):
        raise click.ClickException(f"{path}: want one of {', '.join(KINDS)}, or the first three with .gz")
    if kind == ".parquet":
        return _parquet_rows(path)
    plain = gzip.open if is_packed else open
    file: IO[str] = stack.enter_context(plain(path, "rt", newline=""))
    return iter(csv.DictReader(file)) if kind == ".csv" else _lines(file)


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{path}: Parquet is read with pyarrow, which is not installed; install it, or write CSV or JSON lines"
        ) from error
    for batch in parquet.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()


@click.command("uplift")
@click.argument("plan_path", metavar="PLAN", type=click.Path(path_type=Path))
@click.argument("data_path", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option("--expect", metavar="DIGEST", help="The digest that was registered: another plan is refused.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def command(plan_path: Path, data_path: Path | None, expect: str | None, is_json: bool) -> None:
    """Test what PLAN (YAML) claims on DATA (CSV, JSON lines, Parquet): do the averages' exposures predict better?

    Without DATA the plan is checked and its digest printed: publish it before there are data, and give it as --expect after.
    The plan says how many samples are looked at, and when; before that nothing but their number is printed, and more data change
    nothing.  Exit status: 0 a verdict, whatever it is; 1 a plan or data that cannot be used; 3 not yet.

    \b
    Example: greekstream uplift examples/uplift.yaml
             greekstream uplift examples/uplift.yaml ab.csv --json
    """
    from streams.flow.uplift import DataError, State, as_json, as_text, digest, judge, read_record

    plan = read_plan(plan_path)
    if expect is not None and expect != digest(plan):
        raise click.ClickException(f"this is another plan: its digest is {digest(plan)}, not {expect}")
    if data_path is None:
        said = {"plan": plan.title, "plan_digest": digest(plan), "tests": [test.name for test in plan.tests]}
        click.echo(
            json.dumps(said)
            if is_json
            else f"{plan.title}\n{digest(plan)}\n{len(plan.tests)} tests; the plan is in order"
        )
        return
    try:
        with ExitStack() as stack:
            record = read_record(rows_of(data_path, stack), plan)
        verdict = judge(plan, record)
        with data_path.open("rb") as file:
            data_digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except (DataError, OSError, UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"{data_path}: {why(error)}") from error
    click.echo(json.dumps(as_json(verdict, data_digest)) if is_json else as_text(verdict, data_digest))
    if verdict.state != State.DECIDED:
        raise click.exceptions.Exit(NOT_YET)
