"""How stable QMC implied volatilities are against points, directions and scrambles: the tables of docs/qmc.md (A8, A16).

    python tests/bench/qmc_stability.py

One quote per moment (half a deviation out of the money) is inverted with 24 seeds; a cell is the scatter of the volatility in vol
points, root mean square about the value of 512 points in four directions, worst over the moments; beside it the CPU time of one value
with all greeks.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pricers import QmcSettings, implied_vols, value_options, warm_up

SEEDS = range(24)
YEAR_S = 31_536_000
BEST = QmcSettings(9, 8, 4)
MOMENTS: dict[str, dict[str, float]] = {
    "7 d": {"next_fixing_s": 603_004.0},
    "2 h": {"next_fixing_s": 5404.0},
    "31 min": {"next_fixing_s": 64.0},
    "20 min": {"next_fixing_s": 4.0, "n_fixed": 150, "running_sum": 150e5},
    "5 min": {"next_fixing_s": 4.0, "n_fixed": 375, "running_sum": 375e5},
}


def option(moment: dict[str, float], sigma: float) -> dict[str, Any]:
    """Half a deviation out of the money."""
    left = 450 - moment.get("n_fixed", 0)
    deviation = sigma * np.sqrt((moment["next_fixing_s"] + 4.0 * left / 3) / YEAR_S)
    strike = (moment.get("running_sum", 0.0) + left * 1e5 * np.exp(0.5 * deviation)) / 450
    return {"forward": 1e5, "strike": strike, "option_sign": 1, "interval_s": 4.0, "n_fixings": 450, **moment}


def scatter(sigma: float, payoff: str, settings: list[QmcSettings]) -> float:
    """Root mean square error of the volatility over seeds, vol points, worst over the moments."""
    worst = 0.0
    for moment in MOMENTS.values():
        contract = {**option(moment, sigma), "payoff": payoff, "engine": "qmc"}
        quote = value_options(**contract, sigma=sigma, qmc=BEST).price_usd
        found = np.array([float(implied_vols(**contract, price_usd=quote, qmc=q).sigma) for q in settings])
        worst = max(worst, float(100 * np.sqrt(np.mean((found - sigma) ** 2))))
    return worst


def microseconds(settings: QmcSettings, sigma: float) -> float:
    """CPU time of one value with all greeks, 31 min before expiry, in a batch of 256."""
    contract = {**option(MOMENTS["31 min"], sigma), "sigma": np.full(256, sigma), "engine": "qmc", "qmc": settings}
    value_options(**contract)
    best = np.inf
    for _ in range(5):
        start = time.thread_time()
        value_options(**contract)
        best = min(best, time.thread_time() - start)
    return 1e6 * best / 256


def main() -> None:
    """Print the tables."""
    warm_up()
    for sigma in (0.7, 5.0):
        for payoff in ("linear", "inverse"):
            print(f"\nsigma {100 * sigma:.0f} %, {payoff}: vol points of scatter\n")
            print("| points | d = 1 | d = 2 | d = 3 | d = 4 | us (d = 3, linear) |\n|---|---|---|---|---|---|")
            for m in range(3, 10):
                cells = [scatter(sigma, payoff, [QmcSettings(m, 8, d, s) for s in SEEDS]) for d in range(1, 5)]
                row = " | ".join(f"{cell:.0e}" for cell in cells)
                print(f"| {2**m} | {row} | {microseconds(QmcSettings(m), sigma):.1f} |")
    print("\nscrambles, 64 points in 3 directions, sigma 500 %, linear\n")
    print("| scrambles | vol points of scatter |\n|---|---|")
    for n_scrambles in (2, 4, 8, 16, 32):
        print(f"| {n_scrambles} | {scatter(5.0, 'linear', [QmcSettings(6, n_scrambles, 3, s) for s in SEEDS]):.0e} |")


if __name__ == "__main__":
    main()
