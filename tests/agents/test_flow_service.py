"""The loop of the service of dealer flow with a scripted consumer and producer: what is confirmed before what, who waits for whom,
what stops it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import schemas
from schemas import Checkpoint, DeadLetter, Flow, FlowStrike, SettlementFlow, Watermark
from streams import topics
from streams.flow.fold import Arrival, Final, from_bytes, new_state, step
from streams.flow_service import checkpoints, shell, start
from streams.flow_service.checkpoints import Identity
from streams.flow_service.output import FlowServiceError, Superseded
from streams.flow_service.settings import FoldSettings
from streams.flow_service.shell import Service
from streams.flow_service.start import TOPIC_OF, Beginning, Start
from streams.registry import SINGLE
from tests.flow_log import CONTEXT, EXPIRY_NS, Lanes, interleaved, lanes

NS = 1_000_000_000
IDENTITY = Identity("0123456789abcdef", "test", "cpu")


class Message:
    """As librdkafka hands it over."""

    def __init__(self, arrival: Arrival, value: bytes | None = None) -> None:
        self._arrival = arrival
        self._value = schemas.encode(arrival.record) if value is None else value

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return TOPIC_OF[self._arrival.topic].name

    def partition(self) -> int:
        return self._arrival.partition

    def offset(self) -> int:
        return self._arrival.offset

    def value(self) -> bytes:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return [("epoch", str(self._arrival.epoch).encode())]


class Consumer:
    """Hands out a script, lane by lane where some are paused; reads again from where it is assigned.

    What is paused stays so when it is assigned anew, as librdkafka has it.
    """

    def __init__(self, script: list[Message]) -> None:
        self.script = script
        self.paused: set[tuple[str, int]] = set()
        self.events: list[str] = []
        self.committed: list[Any] = []

    def assign(self, places: list[Any]) -> None:
        first = {(place.topic, place.partition): place.offset for place in places}
        self.left = deque(m for m in self.script if m.offset() >= first[m.topic(), m.partition()])
        self.events.append("assign")

    def _next(self) -> Message | None:
        for i, message in enumerate(self.left):
            if (message.topic(), message.partition()) not in self.paused:
                del self.left[i]
                return message
        return None

    @property
    def is_dry(self) -> bool:
        """Whether all that is left is of lanes that wait."""
        return all((m.topic(), m.partition()) in self.paused for m in self.left)

    def poll(self, _timeout_s: float) -> Message | None:
        return self._next()

    def consume(self, n: int, _timeout_s: float) -> list[Message]:
        found = []
        while len(found) < n and (message := self._next()) is not None:
            found.append(message)
        return found

    def pause(self, places: list[Any]) -> None:
        self.paused |= {(place.topic, place.partition) for place in places}
        self.events.append("pause")

    def resume(self, places: list[Any]) -> None:
        self.paused -= {(place.topic, place.partition) for place in places}
        self.events.append("resume")

    def commit(self, *, offsets: list[Any], asynchronous: bool) -> None:
        assert not asynchronous
        self.committed = offsets

    def close(self) -> None:
        self.paused = set()
        self.events.append("close")


class Confirmed:
    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 1


class Producer:
    """Keeps what is produced, in order, with the flushes between."""

    def __init__(self, error: str = "") -> None:
        self.log: list[tuple[str, Any]] = []
        self.keyed: list[tuple[str, Any]] = []
        self.error = error
        self._open: list[Any] = []

    def produce(self, topic: str, value: bytes, key: bytes, _partition: int, *, on_delivery: Any, **_: Any) -> None:
        self.log.append((topic, schemas.decode(value)))
        self.keyed.append((key.decode(), self.log[-1][1]))
        self._open.append(on_delivery)

    def poll(self, _timeout_s: float) -> None:
        for landed in self._open:
            landed(self.error or None, Confirmed())
        self._open = []

    def flush(self, _timeout_s: float) -> int:
        self.poll(0)
        self.log.append(("flush", None))
        return 0

    def __len__(self) -> int:
        return len(self._open)


@dataclasses.dataclass
class World:
    service: Service
    consumer: Consumer
    producer: Producer
    said: list[str]

    def run(self) -> None:
        """Until nothing is left to read."""
        self.service.run(until=lambda: not self.consumer.left)

    def checkpoints(self) -> list[tuple[str, Checkpoint]]:
        return [(key, record) for key, record in self.producer.keyed if isinstance(record, Checkpoint)]

    def records(self, kind: type) -> list[Any]:
        return [record for _, record in self.producer.log if isinstance(record, kind)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def make(script: list[Message], error: str = "", **settings: Any) -> World:
        consumer, producer, said = Consumer(script), Producer(error), []
        monkeypatch.setattr(shell.kafka, "reader_consumer", lambda *_, **__: consumer)
        monkeypatch.setattr(shell.kafka, "producer", lambda *_, **__: producer)
        monkeypatch.setattr(shell.kafka, "resolver", lambda *_, **__: schemas.packaged)
        first = {(topic, partition): 0 for topic in TOPIC_OF for partition in CONTEXT.partitions}
        service = Service(
            "nowhere:1", FoldSettings(**settings), CONTEXT, IDENTITY, Start(Final(), 1, first, "a/b"), SINGLE, "here",
            lambda event, **_: said.append(event),
        )  # fmt: skip
        return World(service, consumer, producer, said)

    yield make


@pytest.fixture(scope="module")
def found() -> Lanes:
    return lanes(21, 12, before_expiry_s=6.0)


@pytest.fixture(scope="module")
def expected(found: Lanes) -> list[bytes]:
    state, out = new_state(CONTEXT), []
    for arrival in interleaved(found, random.Random(0)):
        state, records = step(state, arrival, CONTEXT)
        out += [schemas.encode(record) for record in records]
    return out


def script(found: Lanes, seed: int = 1) -> list[Message]:
    return [Message(arrival) for arrival in interleaved(found, random.Random(seed))]


def finals(world: World) -> list[bytes]:
    kept = (
        r
        for _, r in world.producer.log
        if isinstance(r, FlowStrike | SettlementFlow) or (isinstance(r, Flow) and r.is_final)
    )
    return [schemas.encode(record) for record in kept]


def test_records_are_confirmed_before_the_checkpoint_and_the_checkpoint_before_the_offsets(
    world: Any, found: Lanes, expected: list[bytes]
) -> None:
    one = world(script(found))
    one.run()
    assert finals(one) == expected
    names = [name for name, _ in one.producer.log]
    first_piece = names.index(topics.CHECKPOINTS.name)
    last_record = max(i for i, name in enumerate(names) if name in (topics.FLOW.name, topics.FLOW_STRIKES.name))
    assert last_record < names.index("flush", last_record) < first_piece
    assert names[-1] == "flush" and one.consumer.committed
    stand = checkpoints.stands(one.checkpoints())[0]
    final = from_bytes(stand.state, CONTEXT)
    assert stand.second_ns == final.second_ns == one.service.state.final.second_ns
    assert {f"{t}/{p}": mark.offset for (t, p), mark in final.marks.items()} == stand.offsets
    assert one.consumer.events[-1] == "close"


def test_a_record_that_kafka_refuses_stops_it_before_any_checkpoint(world: Any, found: Lanes) -> None:
    one = world(script(found), error="no")
    with pytest.raises(FlowServiceError, match="refuses"):
        one.run()
    assert one.records(Checkpoint) == []


def test_what_cannot_be_decoded_goes_to_the_dead_letters_and_the_rest_goes_on(
    world: Any, found: Lanes, expected: list[bytes]
) -> None:
    bad = dict(found)
    lane = bad["greeks", 0]
    bad["greeks", 0] = [lane[0], *(item._replace(offset=item.offset + 1) for item in lane)]
    messages = script(bad)
    place = next(i for i, m in enumerate(messages) if (m.topic(), m.partition(), m.offset()) == ("greeks.v1", 0, 0))
    messages[place] = Message(lane[0], b"no record")
    one = world(messages)
    one.run()
    assert finals(one) == expected
    (letter,) = one.records(DeadLetter)
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == ("greeks.v1", 0, 0)
    assert letter.payload == b"no record"


def test_records_that_were_deleted_before_they_were_read_stop_it(world: Any, found: Lanes) -> None:
    one = world([m for m in script(found) if (m.topic(), m.partition(), m.offset()) != ("trades.v1", 1, 3)])
    with pytest.raises(FlowServiceError, match=r"trades\.v1\[1\]@4.*deleted"):
        one.run()


# -- a history that is set back, and a service that is taken over from --------------------------------------------------------------

BACK_NS = 3_600 * NS


def set_back(found: Lanes, anew: Lanes) -> Lanes:
    """Lanes whose workers were set back behind ``found``: what they then write is ``anew``, an hour earlier, under higher epochs."""
    both = {}
    for key, lane in found.items():
        later = [
            a._replace(offset=a.offset + len(lane), epoch=a.epoch + 10, record=_earlier(a.record)) for a in anew[key]
        ]
        both[key] = [*lane, *later]
    return both


def _earlier(record: Any) -> Any:
    if isinstance(record, Watermark):
        return record._replace(log_time_ns=record.log_time_ns - BACK_NS)
    return record._replace(ts_event_ns=record.ts_event_ns - BACK_NS)


@pytest.fixture
def starting_over(world: Any, found_by: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service on these lanes that may start over, and what it said; the window of a cold start is all that there is."""

    def make(of: Lanes, arrivals: list[Arrival], **settings: Any) -> tuple[World, list[dict[str, Any]]]:
        one = world([Message(arrival) for arrival in arrivals], checkpoint_s=1e-9, **settings)
        said: list[dict[str, Any]] = []
        found_by([], 0, {"greeks.v1": 0, "trades.v1": 0})
        log = {(TOPIC_OF[topic].name, partition): [Message(a) for a in lane] for (topic, partition), lane in of.items()}
        monkeypatch.setattr(start, "LogReader", lambda *_: Reader(one.checkpoints(), log))
        monkeypatch.setattr(
            start.kafka, "watermarks",
            lambda _, name, partitions: {partition: (0, len(log[name, partition])) for partition in partitions},
        )  # fmt: skip
        monkeypatch.setattr(start.kafka, "topic_id", lambda _, name: {"greeks.v1": "a", "trades.v1": "b"}[name])
        one.service.beginning = Beginning(
            "nowhere:1",
            FoldSettings(),
            CONTEXT,
            IDENTITY,
            lambda event, **facts: said.append({"event": event, **facts}),
        )
        return one, said

    return make


def in_turn(found: Lanes, both: Lanes, seed: int = 3) -> list[Arrival]:
    """The old history in all lanes, and then the new one."""
    new = {key: lane[len(found[key]) :] for key, lane in both.items()}
    return [a for part in (found, new) for a in interleaved(part, random.Random(seed))]


@pytest.fixture(scope="module")
def both(found: Lanes) -> Lanes:
    return set_back(found, lanes(22, 12, before_expiry_s=3_000.0))


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_reset_of_the_workers_makes_it_start_over_cold_with_what_they_have_written_since(
    starting_over: Any, found: Lanes, both: Lanes, expected: list[bytes], seed: int | None
) -> None:
    """DESIGN 5: somebody reset the workers.  Nobody is needed; finals of both histories are out, each under an epoch of its own.

    Also where some lanes are read to their reset before anything is known of others.
    """
    arrivals = in_turn(found, both) if seed is None else interleaved(both, random.Random(seed))
    one, said = starting_over(both, arrivals)
    one.run()
    state, second = new_state(CONTEXT), []
    for arrival in interleaved({key: both[key][len(found[key]) :] for key in found}, random.Random(0)):
        state, records = step(state, arrival, CONTEXT)
        second += [schemas.encode(record) for record in records]
    assert second and finals(one)[-len(second) :] == second, "of the new history alone, as if nothing had been before"
    assert seed is not None or set(finals(one)[: -len(second)]) <= set(expected)
    starts = [facts for facts in said if facts["event"] == "flow_cold_start"]
    assert len(starts) == one.service.n_over >= 1 and "were set back" in starts[0]["why"]
    assert seed is not None or len(starts) == 1
    assert starts[-1]["epoch"] == one.service.epoch == 1 + len(starts)
    newest = [record for record in one.records(Flow) if record.is_final][-1]
    assert newest.is_cold_start
    assert checkpoints.stands(one.checkpoints())[0].epoch == one.service.epoch


def test_a_reset_that_a_start_finds_behind_its_checkpoint_is_noticed_too(
    starting_over: Any, found: Lanes, both: Lanes
) -> None:
    """The service was away meanwhile."""
    first, _ = starting_over(found, in_turn(found, found))
    first.run()
    one, _ = starting_over(both, in_turn(found, both))
    stand = checkpoints.stands(first.checkpoints())[0]
    behind = {key: mark.offset + 1 for key, mark in from_bytes(stand.state, CONTEXT).marks.items()}
    one.service = dataclasses.replace(
        one.service, start=one.service.start._replace(final=from_bytes(stand.state, CONTEXT), first=behind)
    )
    one.run()
    assert one.service.n_over == 1
    assert one.service.start.first == {key: len(lane) for key, lane in found.items()}


def test_a_lane_that_has_nothing_of_the_new_history_yet_is_read_from_its_end(
    starting_over: Any, found: Lanes, both: Lanes
) -> None:
    """Else what its worker wrote of the old one would be mixed into the new."""
    slow = {**both, ("trades", 2): found["trades", 2]}
    one, _ = starting_over(slow, in_turn(found, slow))
    one.service.run(until=lambda: one.service.n_over == 1)
    assert one.service.start.first == {key: len(lane) for key, lane in found.items()}


def test_lanes_that_wait_when_another_is_set_back_are_read_on_after_the_start_over(
    starting_over: Any, found: Lanes
) -> None:
    """DESIGN 5: no final would ever come again."""
    slow, one_epoch = ("trades", 2), {key: [a._replace(epoch=1) for a in lane] for key, lane in found.items()}
    old = {**one_epoch, slow: one_epoch[slow][: len(found[slow]) // 3]}
    both = set_back(old, lanes(22, 12, before_expiry_s=3_000.0))
    one, said = starting_over(both, in_turn(old, both), ahead_s=2.0, batch=5)
    one.service.run(until=lambda: one.consumer.is_dry)
    over = len(one.consumer.events) - one.consumer.events[::-1].index("assign") - 1
    assert "pause" in one.consumer.events[:over] and len(said) == one.service.n_over == 1
    assert not one.consumer.left and one.service.state.final.second_ns > 0


def test_topics_made_anew_under_it_are_noticed_before_a_checkpoint_says_otherwise(
    starting_over: Any, found: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, said = starting_over(found, in_turn(found, found))
    monkeypatch.setattr(start.kafka, "topic_id", lambda _, name: f"new {name}")
    monkeypatch.setattr(Reader, "log_id", lambda _, name: f"new {name}")
    one.service.run(until=lambda: one.service.n_over == 1)
    (facts,) = (facts for facts in said if facts["event"] == "flow_cold_start")
    assert "made anew" in facts["why"]
    states = checkpoints.stands(one.checkpoints())
    assert [(stand.epoch, stand.second_ns) for stand in states] == [(2, -1)], "none that is of the old topics"


class Claims:
    """A watch that sees a rival's claim when asked."""

    def __init__(self) -> None:
        self.has_rival = False

    def newer(self) -> Any:
        return (7, SimpleNamespace(detail="pid 1 on there")) if self.has_rival else None

    def newer_by_now(self, _within_s: float) -> Any:
        return self.newer()


@pytest.mark.parametrize("is_seen_in", ["newer", "newer_by_now"])
def test_one_that_has_been_taken_over_from_writes_no_more_checkpoints_and_ends(
    world: Any, found: Lanes, is_seen_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN 1, rule 5: seen on its rounds, or at the latest before it writes a state."""
    one, claims = world(script(found), batch=20), Claims()
    one.service.watch = claims
    if is_seen_in == "newer_by_now":
        monkeypatch.setattr(claims, "newer", lambda: None)
        monkeypatch.setattr(claims, "newer_by_now", lambda _: (claims.has_rival and Claims.newer(claims)) or None)
    one.service.run(until=lambda: one.service.state.n_finals > 4)
    n_before = len(one.records(Checkpoint))
    assert n_before, "it has left in order"
    claims.has_rival = True
    with pytest.raises(Superseded, match="pid 1 on there"):
        one.run()
    assert len(one.records(Checkpoint)) == n_before


def test_what_a_sleeper_still_writes_tears_no_state_of_its_successor(
    world: Any, found: Lanes, found_by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both go on from one state; the sleeper wakes between two pieces of its own, and the successor is killed between two of its."""
    monkeypatch.setattr(checkpoints, "PIECE_BYTES", 4_000)
    begun = world(script(found), batch=20)
    begun.service.run(until=lambda: begun.service.state.n_finals > 4)
    table = dict(begun.checkpoints())
    two = []
    for seed in (5, 6):
        one = world(script(found, seed), checkpoint_s=1e-9, batch=30)
        two.append(one)
        at, said = found_by(list(table.items()), 10_000, {"greeks.v1": 0, "trades.v1": 0})
        assert said == ["flow_resumes"]
        one.service = dataclasses.replace(one.service, start=at)
        one.run()
        table |= dict(one.checkpoints())
    sleeper, successor = two
    newest = checkpoints.stands(table.items())[0]
    late = [(key, piece) for key, piece in sleeper.checkpoints() if not key.endswith("/0")]
    torn = [(key, piece._replace(log_time_ns=newest.second_ns + NS)) for key, piece in successor.checkpoints()[-3:-1]]
    for cut in range(len(late)):
        left = checkpoints.stands(({**table, **dict(late[cut:]), **dict(torn)}).items())
        assert left and left[0].second_ns > begun.service.state.final.second_ns
        assert left[0].slot // 2 != checkpoints.stands(begun.checkpoints())[0].slot // 2


def test_lanes_far_ahead_wait_and_nothing_is_lost_by_it(world: Any, found: Lanes, expected: list[bytes]) -> None:
    one = world([Message(arrival) for key in sorted(found) for arrival in found[key]], ahead_s=3.0, batch=5)
    one.run()
    assert {"pause", "resume"} <= set(one.consumer.events)
    assert finals(one) == expected
    assert "flow_overrun" not in one.said


def test_while_a_partition_is_away_provisional_records_go_on_and_once_it_is_back_all_finals_come(
    world: Any, found: Lanes, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN 5: buffers are bounded, then it reads again from behind what is final."""
    late = [key for key in found if key[1] == 2]
    early = {key: lane[: len(lane) // 2] if key in late else lane for key, lane in found.items()}
    one = world([Message(arrival) for arrival in interleaved(early, random.Random(4))], ahead_s=3.0, batch=5)
    one.service.run(until=lambda: one.consumer.is_dry)
    assert one.consumer.left, "the others wait"
    n_finals = len(finals(one))
    assert 0 < n_finals < len(expected)
    monkeypatch.setattr(shell, "PATIENCE_S", 0.0)
    one.service.run(until=lambda: not one.consumer.left and "flow_overrun" in one.said)
    assert len(finals(one)) == n_finals and not any(lane.closed for lane in one.service.state.lanes.values())
    newest = max(record.ts_event_ns for record in one.records(Flow) if not record.is_final)
    assert newest > max(record.ts_event_ns for record in one.records(Flow) if record.is_final) + 3 * NS
    # the loop goes on with the same state; its worker has come back
    monkeypatch.setattr(shell, "PATIENCE_S", 3_600.0)
    one.consumer.script = [Message(arrival) for arrival in interleaved(found, random.Random(5))]
    one.service.run(until=lambda: not one.consumer.left and "flow_reread" in one.said)
    assert finals(one) == expected


# -- where a start begins ------------------------------------------------------------------------------------------------


class Reader:
    """What stands in checkpoints.v1."""

    def __init__(
        self, pieces: list[tuple[str, Checkpoint]], log: dict[tuple[str, int], list[Message]] | None = None
    ) -> None:
        self.pieces, self.log = pieces, log or {}

    def read(self, topic: str, partition: int, begin: int, end: int, limit: int) -> list[Message]:
        return self.log[topic, partition][begin : min(end, begin + limit)]

    def log_id(self, topic: str) -> str:
        return {"greeks.v1": "a", "trades.v1": "b"}[topic]

    def checkpoints(self, *_: Any) -> list[Any]:
        return [SimpleNamespace(key=key.encode(), value=schemas.encode(record)) for key, record in self.pieces]

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def found_by(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``start.find`` on topics of so many records a lane, with these checkpoints; a cold start begins at ``window``."""

    def find(
        pieces: list[tuple[str, Checkpoint]], n: int, window: dict[str, int], *, is_cold: bool = False, **settings: Any
    ) -> tuple[Start, list[str]]:
        said: list[str] = []
        monkeypatch.setattr(start, "LogReader", lambda *_: Reader(pieces))
        monkeypatch.setattr(start.kafka, "watermarks", lambda _, __, partitions: dict.fromkeys(partitions, (0, n)))
        monkeypatch.setattr(
            start, "window_starts", lambda _, name, partitions, __: dict.fromkeys(partitions, window[name])
        )
        begins = Beginning(
            "nowhere:1", FoldSettings(**settings), CONTEXT, IDENTITY, lambda event, **_: said.append(event)
        )
        return begins.find(is_cold=is_cold), said

    return find


def test_a_start_behind_a_checkpoint_never_reads_thresholds_from_history_and_a_cold_one_does(
    world: Any, found: Lanes, found_by: Any, tmp_path: Path
) -> None:
    """J5, H6: what a start from a checkpoint repeats is identical, whatever lies in the folder now."""
    one = world(script(found))
    one.run()
    window = {"greeks.v1": 0, "trades.v1": 0}
    _, said = found_by(one.checkpoints(), 10_000, window, thresholds_from=str(tmp_path))
    assert said == ["flow_resumes"]
    _, said = found_by(one.checkpoints(), 10_000, window, is_cold=True, thresholds_from=str(tmp_path))
    assert said == ["flow_cold_start", "flow_thresholds_not_read"]


def test_a_restart_while_a_cold_start_still_reads_trades_begins_where_the_cold_start_began(
    world: Any, found: Lanes, found_by: Any
) -> None:
    """A checkpoint of that time has no row of greeks yet; seven days of them are not to be read for it."""

    def second(key: tuple[str, int], at_ns: int) -> int:
        """Offset behind the first Watermark of a lane that is of this second or later."""
        lane = found[key]
        return next(
            i + 1 for i, a in enumerate(lane) if isinstance(a.record, Watermark) and a.record.log_time_ns >= at_ns
        )

    begin = {key: second(key, EXPIRY_NS + 2 * NS) if key[0] == "greeks" else 0 for key in found}
    messages = [
        Message(arrival)
        for key, lane in found.items()
        for arrival in (lane[begin[key] :] if key[0] == "greeks" else lane[: second(key, EXPIRY_NS - 2 * NS)])
    ]
    one = world(messages)
    one.service.start = one.service.start._replace(first=begin)
    one.service.next = dict(one.service.start.first)
    one.run()
    assert one.service.state.final.second_ns > 0 and not any(
        topic == "greeks" for topic, _ in one.service.state.final.marks
    )
    resumed, _ = found_by(one.checkpoints(), 10_000, {"greeks.v1": 9_000, "trades.v1": 9_000})
    assert resumed.first == {key: begin[key] if key[0] == "greeks" else one.service.state.final.marks[key].offset + 1
                             for key in found}  # fmt: skip


def test_a_cold_start_opens_its_epoch_before_its_first_record_and_is_not_forgotten_by_a_kill(
    world: Any, found: Lanes, found_by: Any
) -> None:
    """DESIGN 5: two histories never go out under one epoch, and --cold is not undone by a restart."""
    old = world(script(found))
    old.run()
    cold, _ = found_by(old.checkpoints(), 10_000, {"greeks.v1": 7, "trades.v1": 3}, is_cold=True)
    assert cold.epoch == 2
    one = world(script(found))
    one.service = dataclasses.replace(one.service, start=cold)
    one.service.run(until=lambda: True)
    assert one.records(Flow) == []
    pieces = [*old.checkpoints(), *one.checkpoints()]
    again, said = found_by(pieces, 20_000, {"greeks.v1": 9_000, "trades.v1": 9_000})
    assert said == ["flow_resumes"] and again.epoch == 2
    assert again.first == cold.first and again.final.second_ns == -1
    assert again.slot != cold.slot
    third, _ = found_by(pieces, 20_000, {"greeks.v1": 9_000, "trades.v1": 9_000}, is_cold=True)
    assert third.epoch == 3


def test_a_state_that_this_version_cannot_read_is_not_replaced_by_one_of_an_older_epoch(
    world: Any, found: Lanes, found_by: Any
) -> None:
    """DESIGN 5: a restore reads the highest epoch only; what went out under a lower one now would be overruled by what is there."""
    old = world(script(found))
    old.run()
    newer = [
        (key.replace("/flow/1/", "/flow/2/"), piece._replace(epoch=2, state_format=piece.state_format + 1))
        for key, piece in old.checkpoints()
    ]
    again, said = found_by([*old.checkpoints(), *newer], 10_000, {"greeks.v1": 7, "trades.v1": 3})
    assert said == ["flow_checkpoint_unusable", "flow_cold_start"]
    assert again.epoch == 3 and again.final.second_ns == -1


def test_an_epoch_whose_first_state_is_not_whole_has_said_nothing_and_the_one_before_goes_on(
    world: Any, found: Lanes, found_by: Any
) -> None:
    old = world(script(found))
    old.run()
    key, piece = old.checkpoints()[0]
    torn = (key.replace("/flow/1/", "/flow/2/"), piece._replace(epoch=2, offset=piece.offset + 1))
    again, said = found_by([*old.checkpoints(), torn], 10_000, {"greeks.v1": 7, "trades.v1": 3})
    assert said == ["flow_resumes"] and again.final.second_ns == old.service.state.final.second_ns


class Killed(Exception):
    """The process is gone."""


@pytest.mark.parametrize("seed", range(2))
def test_a_service_killed_again_and_again_at_any_record_that_it_writes_loses_no_final_and_writes_no_other(
    world: Any, found: Lanes, expected: list[bytes], found_by: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """DESIGN 5: also between two pieces of a checkpoint, and before the first one of a cold start is whole."""
    draw = random.Random(seed)
    monkeypatch.setattr(checkpoints, "PIECE_BYTES", 8_000)
    pieces: list[tuple[str, Checkpoint]] = []
    sent: list[bytes] = []
    epochs = set()
    for life in range(9):
        at, _ = found_by(pieces, 10_000, {"greeks.v1": 0, "trades.v1": 0})
        epochs.add(at.epoch)
        one = world(script(found, draw.randint(0, 99)), checkpoint_s=1e-9, batch=draw.randint(1, 40))
        one.service = dataclasses.replace(one.service, start=at)
        left = draw.randint(0, 120) if life < 8 else 1 << 30
        produce = one.producer.produce

        def mortal(
            *args: Any, produce: Any = produce, log: Any = one.producer.log, left: int = left, **fields: Any
        ) -> None:
            if sum(name != "flush" for name, _ in log) >= left:
                raise Killed
            produce(*args, **fields)

        monkeypatch.setattr(one.producer, "produce", mortal)
        with contextlib.suppress(Killed):
            one.run()
        sent += finals(one)
        # of each key the last is what stands
        pieces = list({**dict(pieces), **dict(one.checkpoints())}.items())
    assert set(sent) == set(expected), "what comes again is identical, and nothing is missing"
    assert one.consumer.left == deque() and epochs <= {1, 2}
