"""The direction of imports is a test: leaves, cores, shells, cli (DESIGN 3)."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def test_imports_go_one_way_only() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout
