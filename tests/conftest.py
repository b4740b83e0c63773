"""Shared by every test: where the reference data is, and when a skip is a failure."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=50,
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

# A shell without job control starts what it runs in the background with SIGINT ignored, and children inherit that: the
# commands under test would then not hear the Ctrl-C that they are sent.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.kafka_fixtures"]

ROOT = Path(__file__).resolve().parent.parent


def skip_or_fail(reason: str, required_by: str) -> None:
    """Skip with a reason, unless the environment variable ``required_by`` forbids it."""
    if os.environ.get(required_by) == "1":
        pytest.fail(f"{reason} ({required_by}=1 makes this a failure)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and recorded data, read in place."""
    path = Path(os.environ.get("GREEKSTREAM_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        skip_or_fail(f"no shared data at {path}; set GREEKSTREAM_SHARED", "REQUIRE_SHARED")
    return path
