"""What a worker does before it joins: imports without what nobody uses, and few collections."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from streams import garbage
from streams.garbage import YOUNG_OBJECTS, few_arenas, rare_collections

SCRIPT = """
import gc, sys
from streams.worker.imports import ABSENT, HTTP, lean
with lean():
    import structlog, faust.types.web
    assert not gc.isenabled()
assert gc.isenabled() and gc.get_freeze_count()
assert not [name for name in (*ABSENT, *HTTP) if name in sys.modules], "a stand-in is left"
assert structlog.dev.rich is None
import aiohttp.client, cffi, rich
assert aiohttp.client.ClientSession is not faust.types.web.HttpClientT
import json
with lean():
    import aiohttp.client
print(aiohttp.client.ClientSession.__name__, aiohttp.client.ClientSession is not faust.types.web.HttpClientT)
"""

FOLD = """
import scipy.linalg
from types import SimpleNamespace
def make(**_):
    return SimpleNamespace(warm_up=lambda: print(scipy.linalg.norm([3.0, 4.0])))
"""


def test_a_fold_that_is_not_ours_may_import_what_pricing_does_without(tmp_path: Path) -> None:
    (tmp_path / "somebodys.py").write_text(FOLD)
    script = "from streams.worker import app, settings; app.warm_maker(settings.WorkerSettings(fold='somebodys:make'))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path)!r}); {script}"],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "5.0\n"), done.stderr


def test_what_a_worker_leaves_out_is_imported_as_ever_afterwards_and_what_is_there_is_left_alone() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ClientSession True\n"), done.stderr


def test_collections_are_rare_and_look_at_nothing_that_was_there_before() -> None:
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] == YOUNG_OBJECTS
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_the_c_library_is_asked_for_few_arenas_unless_the_environment_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    assert not few_arenas()
    monkeypatch.delenv("MALLOC_ARENA_MAX")
    assert few_arenas() == (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr(garbage.ctypes, "CDLL", lambda _: object())  # a C library without mallopt
    assert not few_arenas()
