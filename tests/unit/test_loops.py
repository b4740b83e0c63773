"""The event loop of the live path's processes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from streams import loops


async def name_of_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_what_runs_on_uvloop_leaves_everybody_elses_loop_alone() -> None:
    pytest.importorskip("uvloop")
    assert loops.run(name_of_loop()).startswith("uvloop")
    assert asyncio.run(name_of_loop()).startswith("asyncio")


def test_without_uvloop_it_runs_on_asyncios_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)  # type: ignore[arg-type]
    assert loops.run(name_of_loop()).startswith("asyncio")
