"""One demo a state folder: its broker ends with it, whoever else uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams import demo

HOLDER = """
import sys, time
from pathlib import Path
from streams import demo
with demo.alone(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def test_a_second_demo_is_told_who_the_first_is_and_what_to_do(tmp_path: Path) -> None:
    with (
        demo.alone(tmp_path),
        pytest.raises(demo.StackError, match=rf"pid {os.getpid()}.*GREEKSTREAM_STATE_DIR=") as told,
        demo.alone(tmp_path),
    ):
        pass
    assert str(tmp_path) in str(told.value)


def test_folders_of_their_own_and_one_after_the_other_are_fine(tmp_path: Path) -> None:
    with demo.alone(tmp_path / "a"), demo.alone(tmp_path / "b"):
        pass
    with demo.alone(tmp_path / "a"):
        pass


def test_who_was_killed_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        with pytest.raises(demo.StackError, match=f"pid {holder.pid}"), demo.alone(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with demo.alone(tmp_path):
        pass
