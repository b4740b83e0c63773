"""13 April 2023, 07:00 to 08:10 UTC, BTC and ETH, through simulator, websocket, Kafka and two workers (C51, A23)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorded import run as recorded


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_recorded_expiry_agrees_with_the_venue(
    bootstrap: str, namespace: str, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = recorded.run(
        bootstrap,
        namespace,
        shared / "data" / "deribit" / "chain-2023-04",
        tmp_path,
        since="2023-04-13T07:00:00Z",
        until="2023-04-13T08:10:00Z",
        n_workers=2,  # as many as cores: four only take more of them, for starting and for asking
    )
    with capsys.disabled():
        print("\n" + recorded.describe(outcome))
    assert outcome.restarts == 0
    assert all(check.holds for check in outcome.checks), recorded.describe(outcome)
