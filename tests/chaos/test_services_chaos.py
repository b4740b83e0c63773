"""Dealer flow, CME's marks, the merge and history, killed and woken while their inputs are written.  More: python -m tests.chaos."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import services_run

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.broker]


def test_the_services_say_what_one_undisturbed_pass_says_whatever_happens_to_them(
    bootstrap: str, namespace: str, tmp_path: Path
) -> None:
    """DESIGN 5, H6: finals and marks none missing and repeats identical, history with each row exactly once."""
    outcome = services_run.run(
        bootstrap, namespace, tmp_path, 1, duration_s=10.0, n_seconds=24, n_events=3, n_files=3
    )  # fmt: skip
    assert outcome.is_right, str(outcome)
    print(outcome)
