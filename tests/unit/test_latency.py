"""Latency percentiles from bins: exact to the bins' width, and additive."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from streams.worker.latency import Latencies, bin_of, percentile_ms

BIN_WIDTH = np.expm1(1 / 40)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_percentile_from_bins_is_the_percentile_to_a_bins_width(share: float) -> None:
    latencies_ns = (np.random.default_rng(7).lognormal(2.0, 1.0, 20_001) * 1e6).astype(int)
    have = percentile_ms(Counter(bin_of(int(x)) for x in latencies_ns), share)
    want = np.sort(latencies_ns)[int(np.ceil(share * latencies_ns.size)) - 1] / 1e6
    assert have is not None
    assert want * (1 - 1e-9) <= have <= want * (1 + BIN_WIDTH)


def test_nothing_seen_is_no_number_and_a_report_starts_anew() -> None:
    latencies = Latencies()
    assert latencies.take()["latency_ms_p50"] is None
    latencies.add([5_000_000, 7_000_000])
    assert latencies.take()["latency_n"] == 2
    assert latencies.take()["latency_n"] == 0
