"""``python -m tests.chaos.full_disk``: the broker's disk is full for a while; nothing missing, repeats identical.

The disk is a small tmpfs in a mount namespace of our own, which an ordinary user may make on most Linux machines; where not,
the run says so and ends with SKIPPED.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos import harness, schedule
from tests.chaos.broker import SMALL_DISK, own_broker

SKIPPED = 77
INSIDE = "--inside"
UNSHARE = ["unshare", "--map-root-user", "--mount"]
PLAN = {"duration_s": 30.0, "rate": 300.0, "n_workers": 2, "fold": harness.PRICING}


def is_possible() -> bool:
    """Whether this user may have a mount namespace."""
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def attack(seed: int, folder: Path) -> int:
    """Inside the namespace: mount the small disk on the folder, run, judge.  0 when right."""
    small = folder / "disk"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(small)], check=True)
    with own_broker(small) as broker:
        plan = harness.Plan(seed, events=schedule.FULL_DISK, broker=broker, **PLAN)  # type: ignore[arg-type]
        outcome = harness.run(broker.bootstrap, plan, folder)
        print(
            f"full disk, seed {seed}: {schedule.as_text(outcome.events)}; the broker ended {broker.n_full_disks} time(s), "
            f"caught up after {outcome.caught_up_s} s, {outcome.restarts} restarts; {outcome.verdict.summary()}",
            flush=True,
        )
    if not outcome.is_right:
        print(outcome.log_tail)
    return 0 if outcome.is_right and broker.n_full_disks == 1 else 1


def run(seed: int) -> int:
    """One run in a namespace of its own: 0 right, 1 wrong, SKIPPED where there can be none."""
    if not is_possible():
        print("full disk: skipped, this user may not make a mount namespace (unshare --map-root-user --mount)")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="chaos-disk-") as folder:
        arguments = [*UNSHARE, sys.executable, "-m", "tests.chaos.full_disk", INSIDE, str(seed), folder]
        return subprocess.run(arguments, check=False).returncode


if __name__ == "__main__":
    is_inside = sys.argv[1:2] == [INSIDE]
    sys.exit(attack(int(sys.argv[2]), Path(sys.argv[3])) if is_inside else run(int((sys.argv[1:] or ["1"])[0])))
