"""Seeded chaos on a real Kafka: nothing missing, repeats identical, every trade once.  More seeds: python -m tests.chaos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker import BrokerError
from streams.broker_jars import JarsMissing
from streams.broker_java import JavaMissing
from tests.chaos import harness, schedule
from tests.chaos.broker import Breakable, own_broker
from tests.conftest import skip_or_fail

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Breakable]:
    try:
        with own_broker(tmp_path_factory.mktemp("chaos-kafka")) as one:
            yield one
    except (BrokerError, JarsMissing, JavaMissing) as error:
        skip_or_fail(f"no broker of our own: {error}", "REQUIRE_BROKER")


PLANS = [
    # a kernel so slow that rebalances meet it, and the broker ends once
    harness.Plan(seed=101, duration_s=18, rate=1_000, n_workers=2, n_events=6, is_slow=True),
    # the real engine
    harness.Plan(seed=102, duration_s=12, rate=300, n_workers=2, n_events=5, fold=harness.PRICING),
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"seed-{plan.seed}")
def test_nothing_is_missing_and_repeats_are_identical(
    plan: harness.Plan, broker: Breakable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan.broker = broker
    outcome = harness.run(broker.bootstrap, plan, tmp_path)
    with capsys.disabled():
        print(f"\nseed {plan.seed}: {schedule.as_text(outcome.events)}")
        print(f"  {outcome.verdict.summary()}, caught up after {outcome.caught_up_s} s, {outcome.restarts} restarts")
    assert outcome.is_right, f"{outcome.verdict.summary()}\n{outcome.log_tail}"
    assert set(outcome.verdict.epochs) == {1}, "no worker began a second history"


def test_a_schedule_is_the_same_for_the_same_seed() -> None:
    one, other = (schedule.draw(7, 30.0, 8, can_break_broker=True) for _ in range(2))
    assert one == other
    assert schedule.draw(8, 30.0, 8, can_break_broker=True) != one
    assert {"kill", "freeze", "join"} <= {event.kind for event in one}
    assert any(event.kind.startswith("broker") for event in one)
