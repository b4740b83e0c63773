"""The oracle of the services: pure folds over what stands in their topics, in one pass; and who judges what they wrote.

Of dealer flow: every final record of an undisturbed pass is there, all that stands for one second (and strike) are the same bytes,
nothing else is there, and the newest checkpoint is the state that the pass ends in.  Of CME's marks: every batch, whole, in its order.
Of the merge: every second that it can speak of, once or more with the same bytes, and merged with marks that had come by then; those of
a later second never with fewer.  Of history: the row of every record, once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import schemas
from schemas import Flow, FlowMerged, FlowStrike, SettlementFlow
from streams import kafka, topics
from streams.cme.merged import Arrived, MergeState, Terms
from streams.cme.merged import step as merge_step
from streams.cme_service.merging import Assembly
from streams.flow.fold import Context, new_state, step, to_bytes
from streams.flow_service import checkpoints
from streams.flow_service.settings import FoldSettings
from streams.history.rows import Read, batches
from streams.history.store import files
from streams.history.tables import TABLES, Table
from streams.worker.log_reader import LogReader
from tests.chaos.oracle import Identity, Verdict
from tests.flow_log import Lanes, interleaved

FLOW_TOPICS = (topics.FLOW, topics.FLOW_STRIKES, topics.FLOW_SETTLEMENTS)
Values = dict[Identity, bytes]


def identity_of(record: Flow | FlowStrike | SettlementFlow | FlowMerged) -> Identity:
    """What a record is of: its topic, currency, second; strike and expiry (as ``result_seq``, and apart by their text)."""
    kind = f"{type(record).__name__} {record.currency}"
    if isinstance(record, FlowStrike):
        kind += f" {record.strike}"
        return Identity(kind, 0, record.ts_event_ns, record.expiry_ns)
    if isinstance(record, SettlementFlow):
        return Identity(kind, 0, record.expiry_ns, 0)
    return Identity(kind, 0, record.ts_event_ns, 0)


def flow_pass(lanes: Lanes, context: Context) -> tuple[Values, bytes]:
    """(every final record of one pass, the state that it ends in)."""
    state, found = new_state(context), {}
    for arrival in interleaved(lanes, random.Random(0)):
        state, records = step(state, arrival, context)
        found |= {identity_of(record): schemas.encode(record) for record in records}
    return found, to_bytes(state.final)


def messages(bootstrap: str, name: str, n_partitions: int = 1) -> list[Any]:
    """All that stands in a topic."""
    return list(kafka.read_range(bootstrap, name, kafka.watermarks(bootstrap, name, range(n_partitions))))


def flow_published(bootstrap: str, namespace: str) -> list[tuple[Identity, bytes]]:
    """Every final record."""
    found = []
    for topic in FLOW_TOPICS:
        for message in messages(bootstrap, topics.full_name(topic, namespace)):
            record = schemas.decode(message.value())
            if not isinstance(record, Flow) or record.is_final:
                found.append((identity_of(record), message.value()))
    return found


def compare(verdict: Verdict, expected: Mapping[Identity, bytes], found: Iterable[tuple[Identity, bytes]]) -> None:
    """Every record against the one expected of its identity, added to the verdict."""
    seen = Counter[Identity]()
    for identity, value in found:
        verdict.published += 1
        if identity not in expected:
            verdict.foreign.append(identity)
        elif value != expected[identity]:
            verdict.different.append(identity)
        seen[identity] += 1
    verdict.expected += len(expected)
    verdict.missing += [identity for identity in expected if not seen[identity]]
    verdict.repeats += sum(n - 1 for n in seen.values())


def newest_state(bootstrap: str, settings: FoldSettings) -> bytes | None:
    """The state that the flow service would go on from."""
    reader, group = LogReader(bootstrap), settings.group_name
    try:
        items = reader.checkpoints(
            settings.name(topics.CHECKPOINTS), checkpoints.partition(group), checkpoints.prefix(group).encode()
        )
    finally:
        reader.close()
    found: dict[str, Any] = {item.key.decode(): schemas.decode(item.value) for item in items}
    stands = checkpoints.stands(found.items())
    return stands[0].state if stands else None


# -- CME and the merge ---------------------------------------------------------------------------------------------------


def marks_published(bootstrap: str, namespace: str) -> list[tuple[bytes, int, bytes]]:
    """(batch, number in it, value) of every mark."""
    found = []
    for message in messages(bootstrap, topics.full_name(topics.CME_MARKS, namespace)):
        headers = dict(message.headers())
        found.append((headers["batch"], int(headers["result_seq"]), message.value()))
    return found


def judge_marks(verdict: Verdict, expected: Sequence[Sequence[bytes]], found: list[tuple[bytes, int, bytes]]) -> None:
    """Batches in the order in which they came first, each against the one of as many files."""
    names = list(dict.fromkeys(name for name, _, _ in found))
    wanted = {Identity("marks", k, i, 0): value for k, batch in enumerate(expected) for i, value in enumerate(batch)}
    compare(verdict, wanted, [(Identity("marks", names.index(name), seq, 0), value) for name, seq, value in found])


def n_whole_batches(bootstrap: str, namespace: str, sizes: Sequence[int]) -> int:
    """How many of the expected batches stand there whole."""
    names: dict[bytes, set[int]] = {}
    for name, seq, _ in marks_published(bootstrap, namespace):
        names.setdefault(name, set()).add(seq)
    return sum(len(seqs) == size for seqs, size in zip(names.values(), sizes, strict=False))


def merged_passes(bootstrap: str, namespace: str, terms: Terms) -> list[Values]:
    """What one pass over flow and strikes says with no batch of marks, with the first, with the first two, and so on."""
    assembly, arrived = Assembly(), []
    for message in messages(bootstrap, topics.full_name(topics.CME_MARKS, namespace)):
        whole = assembly.take(schemas.decode(message.value()), dict(message.headers()))
        if whole is not None and (not arrived or whole.now_ns > arrived[-1].record.now_ns):
            arrived.append(Arrived(message.offset(), whole))
    flows = [
        Arrived(message.offset(), schemas.decode(message.value()))
        for topic in (topics.FLOW, topics.FLOW_STRIKES)
        for message in messages(bootstrap, topics.full_name(topic, namespace))
    ]
    # of a repeat the first counts; in order of their seconds neither topic runs away from the other
    flows.sort(key=lambda one: (one.record.ts_event_ns, one.offset))
    passes = []
    for k in range(len(arrived) + 1):
        state, said = MergeState(), {}
        for one in (*arrived[:k], *flows):
            state, records = merge_step(state, one, terms)
            said |= {identity_of(record): schemas.encode(record) for record in records}
        passes.append(said)
    return passes


def merged_published(bootstrap: str, namespace: str) -> list[tuple[Identity, bytes]]:
    """Every merged record."""
    found = messages(bootstrap, topics.full_name(topics.FLOW_MERGED, namespace))
    return [(identity_of(schemas.decode(message.value())), message.value()) for message in found]


def judge_merged(verdict: Verdict, passes: Sequence[Values], bootstrap: str, namespace: str) -> list[str]:
    """Each record against the passes; what else is wrong, in words."""
    found = merged_published(bootstrap, namespace)
    expected, faults, used = dict(passes[-1]), [], {}
    by_currency: dict[str, int] = {}
    for identity, value in sorted(found):
        fits = [k for k, said in enumerate(passes) if said.get(identity) == value]
        if not fits:
            continue  # ``compare`` says so
        expected[identity] = used.setdefault(identity, value)
        at_least = by_currency.get(identity.topic, 0)
        if max(fits) < at_least:
            faults.append(f"{identity} was merged with {max(fits)} batches, one before it with {at_least}")
        by_currency[identity.topic] = max(at_least, min(fits))
    compare(verdict, expected, found)
    return faults


# -- history -------------------------------------------------------------------------------------------------------------


def n_rows_expected(bootstrap: str, namespace: str, tables: Iterable[str]) -> int:
    """Records of the tables' kinds that stand in their topics now."""
    return sum(len(_reads(bootstrap, namespace, TABLES[name])) for name in tables)


def n_rows_written(place: Path, tables: Iterable[str]) -> int:
    """Rows of the files that count."""
    return sum(pq.read_metadata(path).num_rows for name in tables for path in files(place, TABLES[name]))


def _reads(bootstrap: str, namespace: str, table: Table) -> list[Read]:
    reads = []
    for message in messages(bootstrap, topics.full_name(table.topic, namespace), table.topic.n_partitions):
        record = schemas.decode(message.value())
        if isinstance(record, table.record):
            epoch = dict(message.headers() or ()).get("epoch")
            reads.append(Read(message.partition(), message.offset(), None if epoch is None else int(epoch), record))
    return reads


def judge_history(verdict: Verdict, bootstrap: str, namespace: str, folder: Path, tables: Iterable[str]) -> list[str]:
    """Rows of the files against those of the topics, by their places there; what else is wrong, in words."""
    faults = []
    for name in tables:
        table = TABLES[name]
        reads = _reads(bootstrap, namespace, table)
        expected = {
            _place(name, row): repr(row).encode() for part in batches(table, reads).values() for row in part.to_pylist()
        }
        rows = [row for path in files(folder / namespace, table) for row in pq.ParquetFile(path).read().to_pylist()]
        compare(verdict, expected, [(_place(name, row), repr(row).encode()) for row in rows])
        n_twice = len(rows) - len({_place(name, row) for row in rows})
        if n_twice:
            faults.append(f"{n_twice} rows of {name} are in history more than once")
    return faults


def _place(name: str, row: dict[str, Any]) -> Identity:
    return Identity(f"row of {name}", row["log_partition"], row["log_offset"], 0)
