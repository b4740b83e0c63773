"""``python -m tests.recorded [--full]``: the recorded days through the whole path; prints what was compared."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from streams import kafka
from streams.broker import LocalBroker
from streams.settings import kafka_bootstrap, state_dir
from tests.conftest import ROOT
from tests.recorded import run as recorded


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recorded", description=__doc__)
    parser.add_argument("--full", action="store_true", help="both days whole, instead of 13 April 07:00 to 08:10")
    parser.add_argument("--since", default="2023-04-13T07:00:00Z")
    parser.add_argument("--until", default="2023-04-13T08:10:00Z")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="leave the topics")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("GREEKSTREAM_SHARED", ROOT.parent / "shared"))
    recording = shared / "data" / "deribit" / "chain-2023-04"
    if not recording.is_dir():
        print(f"no recording at {recording}; set GREEKSTREAM_SHARED", file=sys.stderr)
        return 2
    given = kafka_bootstrap()
    namespace = "rec-april"
    with contextlib.ExitStack() as stack:
        bootstrap = given or stack.enter_context(LocalBroker(state_dir(), say=print)).bootstrap
        recorded.with_topics(bootstrap, namespace)
        if not arguments.keep:
            stack.callback(kafka.wipe, bootstrap, namespace)
        outcome = recorded.run(
            bootstrap, namespace, recording, state_dir() / "logs" / namespace,
            since=None if arguments.full else arguments.since,
            until=None if arguments.full else arguments.until,
            n_workers=arguments.workers, within_s=3_600.0,
        )  # fmt: skip
        print(recorded.describe(outcome))
        return 0 if all(check.holds for check in outcome.checks) else 1


if __name__ == "__main__":
    sys.exit(main())
