"""The examples: what they import, and the Confluent deserializer with the client's own ``mock://`` registry."""

from __future__ import annotations

import ast
import importlib.util
from types import ModuleType
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

import schemas
from schemas import Greeks, confluent_framing
from tests.conftest import ROOT
from tests.results_world import greeks

EXAMPLES = ROOT / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_import_nothing_of_ours() -> None:
    for path in EXAMPLES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("schemas", "streams", "pricers")], path.name


def test_the_plain_consumer_stays_at_twenty_lines() -> None:
    tree = ast.parse((EXAMPLES / "consume_greeks.py").read_text())
    lines = {line for node in tree.body[1:] for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    source = (EXAMPLES / "consume_greeks.py").read_text().splitlines()
    code = [source[line - 1] for line in sorted(lines) if not source[line - 1].startswith(("import", "from"))]
    assert len(code) <= 20


class Handed:
    """In place of a consumer: hands over given values, then ends the loop."""

    def __init__(self, values: list[bytes | None]) -> None:
        self.values = values

    def subscribe(self, topics: list[str]) -> None:
        assert topics == ["greeks.v1"]

    def poll(self, _timeout_s: float) -> Any:
        if not self.values:
            raise EOFError
        return Handed.Message(self.values.pop(0))

    class Message:
        def __init__(self, data: bytes | None) -> None:
            self.value = lambda: data
            self.error = lambda: None


def test_confluents_deserializer_reads_our_framing_from_a_mock_registry() -> None:
    registry = SchemaRegistryClient.new_client({"url": "mock://greekstream"})
    subject = schemas.subject("greeks.v1", Greeks)
    assert subject == "greeks.v1-greekstream.v1.Greeks"
    number = registry.register_schema(subject, Schema(schemas.SCHEMA_TEXT[Greeks], "AVRO"))
    row = greeks("BTC-27MAR26-100000-C", offset=7, bid=0.0125)
    older = schemas.encode(row)  # written before the registry was there
    values = [None, older, schemas.encode(row, confluent_framing({Greeks: number}))]
    found = []
    try:
        for one in load("consume_with_confluent_deserializer").rows(Handed(values), "greeks.v1", registry):
            found.append(one)
    except EOFError:
        pass
    assert found == [schemas.to_plain(row)]
    # And back: our decoder reads the same frame when it is told what the registry knows.
    frame = schemas.encode(row, confluent_framing({Greeks: number}))
    assert schemas.decode(frame, lambda key: registry.get_schema(key).schema_str) == row
