"""B21, K5: CME's marks and the merge on a real Kafka: confirmed before progress, the same bytes again, nothing lost or repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import schemas
from schemas import Flow, UnderlyingQuote
from streams import kafka, topics
from streams.cli import main
from streams.cme.share import ShareSettings
from streams.cme_service import figures
from streams.cme_service.merging import Merging
from streams.cme_service.settings import MergeSettings
from tests.cme_files import DAY_NS, dbn_file, definition, open_interest
from tests.cme_world import DAY, TAKEN, VECTOR, WEEK
from tests.flow_records import second, strike

PUBLISHED = TAKEN + 3600 * 10**9


def run(bootstrap: str, *words: str) -> dict[str, Any]:
    """The command in this process: some of their own would import all anew."""
    done = CliRunner().invoke(main, words, env={"KAFKA_BOOTSTRAP": bootstrap})
    assert done.exit_code == 0, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def merged(bootstrap: str, namespace: str, *, from_start: bool) -> dict[str, int]:
    merging = Merging(
        MergeSettings(namespace), ShareSettings(), 1.0, bootstrap, "here", figures.merge_page(), lambda *_, **__: None
    )
    merging.run(until_end=True, from_start=from_start)
    return {"records": merging.n_records, "batches": merging.n_batches, "without_flow": merging.state.n_without_flow}


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


def write_flow(bootstrap: str, namespace: str, flow_and_strikes: list[Any]) -> None:
    producer = kafka.producer(bootstrap)
    for record in flow_and_strikes:
        topic = topics.FLOW if isinstance(record, Flow) else topics.FLOW_STRIKES
        producer.produce(topics.full_name(topic, namespace), schemas.encode(record), record.currency.encode(), 0)
    assert producer.flush(20) == 0


def test_marks_are_published_once_and_the_same_bytes_again(bootstrap: str, namespace: str, tmp_path: Path) -> None:
    foreign = definition(11, "EW2M6 C6000", "EW2", "C", WEEK, multiplier=50.0, strike=6000.0, underlying_id=12)
    (tmp_path / "a.definition.dbn.zst").write_bytes(dbn_file((*VECTOR[:2], foreign)))
    interest = open_interest(7, DAY, 20, event_ns=PUBLISHED)
    (tmp_path / "b.statistics.dbn").write_bytes(dbn_file((*VECTOR[2:], interest), "statistics", is_compressed=False))
    for ts_ns, price in ((PUBLISHED - 30 * 10**9, 99_000.0), (PUBLISHED, 100_000.0), (PUBLISHED + DAY_NS, 1.0)):
        write_index(bootstrap, namespace, ts_ns, price)
    words = ("cme", str(tmp_path), "--json", "--namespace", namespace)
    first = run(bootstrap, *words)
    assert (first["marks"], first["is_published"]) == (1, True)
    assert first["index_prices"] == {"BTC": 100_000.0}, "the log's, of the moment of the marks"
    assert first["not_published"]["no_product_by_root"] == {"EW2": 1}
    known = run(bootstrap, *words)
    assert (known["batch"], known["is_published"]) == (first["batch"], False)
    anew = run(bootstrap, *words, "--again")
    assert (anew["batch"], anew["is_published"]) == (first["batch"], True)

    name = topics.full_name(topics.CME_MARKS, namespace)
    one, again = records(bootstrap, name)
    assert (one.key(), one.value(), one.timestamp()) == (again.key(), again.value(), again.timestamp())
    assert (one.key(), one.timestamp()[1]) == (b"BTC", PUBLISHED // 10**6)
    mark = schemas.decode(one.value())
    assert mark.product == "BTC" and mark.strike_index is not None
    assert dict(one.headers())["batch"].decode() == first["batch"]

    write_flow(bootstrap, namespace, [*second(PUBLISHED), *second(PUBLISHED + 1)])
    assert merged(bootstrap, namespace, from_start=True)["records"] == 1, "the second set is still growing"
    write_flow(bootstrap, namespace, [strike(PUBLISHED + 2, 1.0)])
    assert merged(bootstrap, namespace, from_start=False) == {"records": 1, "batches": 2, "without_flow": 0}
    found = [schemas.decode(one.value()) for one in records(bootstrap, topics.full_name(topics.FLOW_MERGED, namespace))]
    assert [one.ts_event_ns for one in found] == [PUBLISHED, PUBLISHED + 1]
    assert {one.cme_assumption_signed_usd_per_pct for one in found} == {mark.gamma_usd_per_pct_assumption_signed}
    assert {one.deribit_trade_signed_usd_per_pct for one in found} == {600_000.0}


def test_a_merge_killed_before_its_progress_loses_no_second_and_says_none_again_with_other_marks(
    bootstrap: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K5: also before its first progress, when it began at the topics' end."""
    seconds = [PUBLISHED + DAY_NS + i for i in range(5)]
    write_flow(bootstrap, namespace, [*second(seconds[0])])
    settings, share = MergeSettings(namespace), ShareSettings()
    first = Merging(settings, share, 1.0, bootstrap, "here", figures.merge_page(), lambda *_, **__: None)
    first.begin(from_start=False)
    write_flow(bootstrap, namespace, [strike(seconds[0], 1.0), *second(seconds[1]), *second(seconds[2])])
    cut = Merging(settings, share, 1.0, bootstrap, "here", figures.merge_page(), lambda *_, **__: None)
    with monkeypatch.context() as patch:
        patch.setattr(Merging, "_record_progress", lambda *_, **__: None)
        cut.run(until_end=True)
    cut._output.confirm(cut.merged)
    assert cut.n_records == 1, "of the set that was cut by its beginning nothing"
    (tmp_path / "a.dbn").write_bytes(dbn_file((*VECTOR, open_interest(7, DAY, 20, event_ns=PUBLISHED))))
    run(bootstrap, "cme", str(tmp_path), "--json", "--index", "BTC=100000", "--namespace", namespace)
    write_flow(bootstrap, namespace, [*second(seconds[3]), strike(seconds[4], 1.0)])
    assert merged(bootstrap, namespace, from_start=False)["records"] == 2
    found = [schemas.decode(one.value()) for one in records(bootstrap, topics.full_name(topics.FLOW_MERGED, namespace))]
    assert [one.ts_event_ns for one in found] == seconds[1:4]
    assert [one.n_cme_marks for one in found] == [0, 1, 1], "the first was said before the marks came"
