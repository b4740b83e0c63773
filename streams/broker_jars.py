"""The jars of Apache Kafka, fetched once from Maven Central by jgo, with nothing but Python.

They lie in one folder with a manifest that is written last: a folder with a manifest is complete, and is used without
network from then on.  It can be copied to a machine that has none.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

KAFKA_VERSION = "4.1.1"
SCALA_VERSION = "2.13"
COORDINATES = (
    f"org.apache.kafka:kafka_{SCALA_VERSION}:{KAFKA_VERSION}",
    # Named, because the log4j jars' own table of versions otherwise brings 3.9.1: NoSuchMethodError at start.
    f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j2-impl:2.25.2",
    "org.apache.logging.log4j:log4j-core:2.25.2",
    # Kafka pulls 1.7.36, with which nothing is logged.
    "org.slf4j:slf4j-api:2.0.17",
)
MANIFEST = "manifest.json"
_KAFKA_JAR = re.compile(r"kafka(?:_[\d.]+)?(?:-[a-z-]+)?-(\d[\w.]*)\.jar")


class JarsMissing(RuntimeError):
    """The jars are not here and could not be fetched, or do not fit together; the message says what to do."""


def _say_nothing(_: str) -> None:
    return None


def folder(jars_dir: Path) -> Path:
    """Where the jars of this version lie inside ``jars_dir``."""
    return jars_dir / f"kafka-{KAFKA_VERSION}"


def is_complete(jars_dir: Path) -> bool:
    """Whether every jar of the manifest is here with its size, and the manifest is of these coordinates."""
    home = folder(jars_dir)
    try:
        manifest = json.loads((home / MANIFEST).read_text())
        sizes = {name: (home / name).stat().st_size for name in manifest["jars"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(manifest.get("coordinates") == list(COORDINATES) and sizes == manifest["jars"])


def check_versions(names: list[str]) -> None:
    """JarsMissing unless every jar of Kafka itself has the one version, and the logging bridge is the new one."""
    wrong = [name for name in names if (found := _KAFKA_JAR.fullmatch(name)) and found[1] != KAFKA_VERSION]
    if wrong:
        raise JarsMissing(f"jars of Kafka that are not {KAFKA_VERSION}: {', '.join(sorted(wrong))}")
    for needed in (
        f"kafka_{SCALA_VERSION}-{KAFKA_VERSION}.jar",
        f"kafka-clients-{KAFKA_VERSION}.jar",
        "slf4j-api-2.0.17.jar",
    ):
        if needed not in names:
            raise JarsMissing(f"{needed} is not among the {len(names)} jars that were fetched")


def class_path(jars_dir: Path) -> str:
    """The -cp argument: the whole folder."""
    return str(folder(jars_dir) / "*")


def fetch(jars_dir: Path, say: Callable[[str], None] = _say_nothing) -> Path:
    """Make sure the jars are in ``jars_dir`` and return their folder; one process at a time, no network when they are.

    Errors: JarsMissing.
    """
    if is_complete(jars_dir):
        return folder(jars_dir)
    jars_dir.mkdir(parents=True, exist_ok=True)
    with _locked(jars_dir / ".lock"):
        if not is_complete(jars_dir):
            say(f"fetching Apache Kafka {KAFKA_VERSION} (about 46 jars, 41 MB, once) from Maven Central ...")
            _download(jars_dir)
    return folder(jars_dir)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(jars_dir: Path) -> None:
    try:
        import jgo
    except ImportError as error:
        raise JarsMissing(
            "the package jgo, which fetches Kafka's jars, is not installed. Do one of: make setup; "
            "pip install 'greekstream[broker]'; set KAFKA_BOOTSTRAP to a running Kafka"
        ) from error
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=jars_dir) as scratch:
        try:
            found = sorted(jgo.build("+".join(COORDINATES), cache_dir=Path(scratch) / "jgo").path.rglob("*.jar"))
        except Exception as error:  # jgo raises what its HTTP client and its parsers raise
            raise JarsMissing(
                f"the jars of Apache Kafka {KAFKA_VERSION} could not be fetched from Maven Central: "
                f"{type(error).__name__}: {error}. It needs the network once. Do one of: try again connected; copy "
                f"{folder(jars_dir)} from a machine that has it; set KAFKA_BOOTSTRAP to a running Kafka"
            ) from error
        check_versions([path.name for path in found])
        made = Path(scratch) / "made"
        made.mkdir()
        for path in found:
            shutil.copyfile(path, made / path.name)
        sizes = {path.name: (made / path.name).stat().st_size for path in found}
        (made / MANIFEST).write_text(json.dumps({"coordinates": list(COORDINATES), "jars": sizes}, indent=1))
        home = folder(jars_dir)
        if home.exists():
            shutil.rmtree(home)
        made.rename(home)
