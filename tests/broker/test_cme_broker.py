"""B21: CME's marks on a real Kafka: confirmed before progress, the same bytes again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import schemas
from schemas import UnderlyingQuote
from streams import kafka, topics
from tests.cme_files import DAY_NS, dbn_file, definition, open_interest
from tests.cme_world import DAY, TAKEN, VECTOR, WEEK
from tests.conftest import ROOT

PUBLISHED = TAKEN + 3600 * 10**9


def run(bootstrap: str, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *words, "--json"], capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "KAFKA_BOOTSTRAP": bootstrap}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def records(bootstrap: str, name: str) -> list[Any]:
    edges = kafka.watermarks(bootstrap, name, [0])
    return list(kafka.read_range(bootstrap, name, edges))


def write_index(bootstrap: str, namespace: str, ts_ns: int, price: float) -> None:
    quote = UnderlyingQuote(ts_ns, 1, 1, "btc_usd", "BTC", False, price, None, (), ())
    producer = kafka.producer(bootstrap)
    name = topics.full_name(topics.TICKS, namespace)
    value = schemas.encode(quote)
    producer.produce(name, value, b"UnderlyingQuote", 0, timestamp=ts_ns // 10**6)
    assert producer.flush(20) == 0


def test_marks_are_published_once_and_the_same_bytes_again(bootstrap: str, namespace: str, tmp_path: Path) -> None:
    foreign = definition(11, "EW2M6 C6000", "EW2", "C", WEEK, multiplier=50.0, strike=6000.0, underlying_id=12)
    (tmp_path / "a.definition.dbn.zst").write_bytes(dbn_file((*VECTOR[:2], foreign)))
    interest = open_interest(7, DAY, 20, event_ns=PUBLISHED)
    (tmp_path / "b.statistics.dbn").write_bytes(dbn_file((*VECTOR[2:], interest), "statistics", is_compressed=False))
    for ts_ns, price in ((PUBLISHED - 30 * 10**9, 99_000.0), (PUBLISHED, 100_000.0), (PUBLISHED + DAY_NS, 1.0)):
        write_index(bootstrap, namespace, ts_ns, price)
    words = ("cme", str(tmp_path), "--namespace", namespace)
    first = run(bootstrap, *words)
    assert (first["marks"], first["is_published"]) == (1, True)
    assert first["index_prices"] == {"BTC": 100_000.0}, "the log's, of the moment of the marks"
    assert first["not_published"]["no_product_by_root"] == {"EW2": 1}
    second = run(bootstrap, *words)
    assert (second["batch"], second["is_published"]) == (first["batch"], False)
    third = run(bootstrap, *words, "--again")
    assert (third["batch"], third["is_published"]) == (first["batch"], True)

    name = topics.full_name(topics.CME_MARKS, namespace)
    one, again = records(bootstrap, name)
    assert (one.key(), one.value(), one.timestamp()) == (again.key(), again.value(), again.timestamp())
    assert (one.key(), one.timestamp()[1]) == (b"BTC", PUBLISHED // 10**6)
    mark = schemas.decode(one.value())
    assert mark.product == "BTC" and mark.strike_index is not None
    assert dict(one.headers())["batch"].decode() == first["batch"]
