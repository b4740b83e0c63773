"""The table of a chaos session: one line a run, wide enough to compare, and under it what it was made of."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from tests.chaos import oracle
from tests.chaos.fleet import Recovery

HEADER = (
    f"{'seed':>4s} {'attack':16s} {'records':>8s} {'expected':>9s} {'published':>9s} {'repeats':>7s} {'missing':>7s} {'differ':>6s} "
    f"{'states':>6s} {'caught_up_s':>11s} {'back':>4s} {'restored_s':>10s} {'load':>5s}  verdict"
)
LEGEND = """\
expected     results that one thread makes of the same log        caught_up_s  until a checkpoint stands at the end of every partition
repeats      published again after a crash, all byte for byte     back         workers that died, were started again, and came so far
missing      expected and nowhere                                 restored_s   of these, median and longest from their first line to
differ       published with other bytes, or of no record                       all partitions restored (wanted: 5 s on an idle machine)
states       newest checkpoints against the thread's own state    load         load average of the machine (1 min) beside these times"""


class Line(NamedTuple):
    """One run.  ``faults``: whatever else is wrong, in words; ``details``: what was done, and what was seen."""

    seed: int
    attack: str
    n_records: int
    verdict: oracle.Verdict
    caught_up_s: float
    recoveries: Sequence[Recovery]
    load_average: float
    is_right: bool
    faults: Sequence[str] = ()
    details: Sequence[str] = ()

    def __str__(self) -> str:
        v, back = self.verdict, [r.recovered_s for r in self.recoveries]
        restored = f"{statistics.median(back):.1f}/{max(back):.1f}" if back else "-"
        return (
            f"{self.seed:4d} {self.attack:16s} {self.n_records:8d} {v.expected:9d} {v.published:9d} {v.repeats:7d} {len(v.missing):7d} "
            f"{len(v.different) + len(v.foreign):6d} {'WRONG' if v.wrong_states else 'right':>6s} {self.caught_up_s:11.1f} "
            f"{len(back):4d} {restored:>10s} {self.load_average:5.1f}  {'right' if self.is_right else 'WRONG'}"
        )

    def text(self) -> str:
        """The line, what was done, and what is wrong."""
        v = self.verdict
        wrong = [f"FAULT: {fault}" for fault in self.faults]
        if not v.is_right:
            wrong.append(
                f"FAULT: {v.summary()} missing {v.missing[:5]} different {v.different[:5]} foreign {v.foreign[:5]}"
            )
        return "\n".join([str(self), *(f"     {text}" for text in [*self.details, *wrong])])


def summary(lines: Sequence[Line]) -> str:
    """The last words of a session."""
    wrong = [f"seed {line.seed} {line.attack}" for line in lines if not line.is_right]
    back = [r for line in lines for r in line.recoveries]
    times = sorted(r.recovered_s for r in back)
    said = f"{len(lines)} runs, {len(lines) - len(wrong)} right"
    if times:
        n_in_time = sum(s <= 5.0 for s in times)
        start_s = statistics.median(r.start_s for r in back)
        said += (
            f"; {len(times)} workers came back, restored {statistics.median(times):.1f} s after their first line (median), {n_in_time} "
            f"of them within 5 s, {times[-1]:.1f} s at most; their start itself took {start_s:.1f} s (median)"
        )
    return said + (f"; WRONG: {', '.join(wrong)}" if wrong else "")
