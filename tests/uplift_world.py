"""``python -m tests.uplift_world ab.csv``: a synthetic A/B record of two models' exposures around expiries, for docs/uplift.md.

Nothing in it is the venue's.  The averages' NGI damps the index (or not: ``effect`` 0), and the European one is that NGI, distorted as
the averaging distorts it (DEFINITIONS 3.11: their ratio inside the window is sqrt(3) times the share left), and something of its own.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np

FIRST_EXPIRY_S = 1_796_198_400  # 2 December 2026, 08:00 UTC
DAY_S, STEP_S, HOUR_S, WINDOW_S = 86_400, 60, 3_600, 1_800
AFTER_S = 2_700
SECONDS_PER_YEAR = 31_536_000


def ab_rows(seed: int, n_expiries: int, effect: float = 0.5) -> list[dict[str, Any]]:
    """A row a minute, from an hour before each expiry until 45 minutes after it."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    log_index, log_vol = np.log(90_000.0), 0.0
    for day in range(n_expiries):
        expiry_s = FIRST_EXPIRY_S + day * DAY_S
        times = np.arange(expiry_s - HOUR_S, expiry_s + AFTER_S, STEP_S)
        log_vol = 0.9 * log_vol + 0.1 * rng.normal()
        dvol = 0.5 * np.exp(log_vol)
        gamma = rng.normal() + 0.3 * rng.normal(size=times.size).cumsum() / np.sqrt(times.size)
        left = np.clip((expiry_s - times) / WINDOW_S, 0.0, 1.0)
        european = (
            gamma / np.maximum(np.sqrt(3.0) * left, 0.25) + 0.8 * rng.normal() + 0.3 * rng.normal(size=times.size)
        )
        vols = dvol * np.exp(-effect * np.clip(gamma, -2.0, 2.0))
        moves = vols * np.sqrt(STEP_S / SECONDS_PER_YEAR) * rng.normal(size=times.size)
        logs = log_index + np.cumsum(moves)
        log_index = float(logs[-1])
        trend = rng.normal(size=times.size)
        flow = 2e6 * (-effect * gamma * trend + rng.normal(size=times.size))
        is_over = times >= expiry_s
        for i, at_s in enumerate(times.tolist()):
            shown = expiry_s + (DAY_S if is_over[i] else 0)
            rows.append({
                "ts_event_ns": at_s * 10**9, "price_index": "btc_usd", "expiry_ns": shown * 10**9,
                "seconds_to_expiry": shown - at_s, "index_price": round(float(np.exp(logs[i])), 2), "dvol": round(float(dvol), 4),
                "ngi_usd_european": round(1e7 * float(european[i])), "ngi_usd_settlement_average": round(1e7 * float(gamma[i])),
                "hpp_usd_european": round(-1e6 * float(european[i] * trend[i])),
                "hpp_usd_settlement_average": round(-1e6 * float(gamma[i] * trend[i])), "flow_5min_usd": round(float(flow[i])),
            })  # fmt: skip
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    write(Path(sys.argv[1]), ab_rows(seed=7, n_expiries=90))
