"""The supervisor of the worker processes: starts them, starts again what dies or is silently dead, and says how they do.

``slots``     who the children are, when one is started again            ``watchdog``  who is silently dead: pure, as ``slots``
``shell``     processes, signals, pids                                   ``vitals``    reports and lags of the workers
``readouts``  metrics and readiness of all of them together              ``log_ends``  where the log ends, asked by a thread
"""

from streams.supervisor.log_ends import LogEnds
from streams.supervisor.settings import SupervisorSettings
from streams.supervisor.shell import Supervisor
from streams.supervisor.slots import EXIT_SUPERSEDED, Backoff, Slot, meaning_of, parse_workers, slots_for
from streams.supervisor.vitals import Vitals

__all__ = [
    "EXIT_SUPERSEDED",
    "Backoff",
    "LogEnds",
    "Slot",
    "Supervisor",
    "SupervisorSettings",
    "Vitals",
    "meaning_of",
    "parse_workers",
    "slots_for",
]
