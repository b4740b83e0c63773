"""Set-up with commands that only say what they are asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALL = ".[broker,registry,dev]"
PIP = "echo pip $* >> {log}; case \"$*\" in *' uv') exit {installs_uv};; esac"


@pytest.mark.parametrize(
    ("installs_uv", "uv", "said"),
    [
        (0, 0, [("pip", "uv"), ("uv", ALL)]),
        (0, 1, [("pip", "uv"), ("uv", ALL), ("pip", ALL)]),
        (1, 0, [("pip", "uv"), ("pip", ALL)]),
    ],
)
def test_packages_come_with_pip_where_uv_does_not_work_or_cannot_be_had(
    tmp_path: Path, installs_uv: int, uv: int, said: list[tuple[str, str]]
) -> None:
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    for name, text in {
        "pip": PIP.format(log=log, installs_uv=installs_uv), "uv": f"echo uv $* >> {log}; exit {uv}", "python": "exit 0",
        "greekstream": "exit 0",
    }.items():  # fmt: skip
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"VENV={tmp_path}"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".installed").exists()
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [(line[0], line[-1]) for line in lines] == said
