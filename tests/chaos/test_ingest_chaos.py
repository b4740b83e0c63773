"""Ingest killed and restarted, a second ingest started, a worker killed: every trade of the venue exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import ingest_run

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.broker]


def test_every_trade_exactly_once_whatever_happens_to_ingest(bootstrap: str, namespace: str, tmp_path: Path) -> None:
    outcome = ingest_run.run(bootstrap, namespace, tmp_path, seed=1)
    assert outcome.is_right, str(outcome)
    print(outcome)
