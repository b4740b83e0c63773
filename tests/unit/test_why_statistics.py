"""Reasons counted (C28, C29): by hand-made rejects, the counts by hand too."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from schemas import RowStatus
from streams.cli import main, why_statistics
from tests.results_world import NS, START_NS, reject, watermark

REJECTS = [
    reject("BTC-27MAR26-90000-C", RowStatus.NO_QUOTE, START_NS),
    reject("BTC-27MAR26-95000-P", RowStatus.NO_QUOTE, START_NS - 60 * NS),
    reject("BTC_USDC-27MAR26-95000-P", RowStatus.NO_QUOTE, START_NS),
    reject("ETH-26JUN26-3000-P", RowStatus.NO_FORWARD, START_NS),
    reject("BTC-PERPETUAL", RowStatus.NOT_OPEN, START_NS),
]
MARKS = [watermark(0, START_NS, listed=7, priced=4), watermark(5, START_NS, listed=3, priced=2)]


def test_rejects_are_counted_by_reason_and_series_the_most_frequent_first() -> None:
    found = why_statistics.statistics(REJECTS, MARKS)
    assert [(reason["status"], reason["n"]) for reason in found["reasons"]] == [
        ("NO_QUOTE", 3),
        ("NOT_OPEN", 1),
        ("NO_FORWARD", 1),
    ]
    first = found["reasons"][0]
    assert first["oldest_since_ns"] == START_NS - 60 * NS
    assert [(one["underlying"], one["expiry"], one["n"]) for one in first["by_series"]] == [
        ("BTC", "27MAR26", 2),
        ("BTC_USDC", "27MAR26", 1),
    ]
    assert found["reasons"][1]["by_series"] == [{"underlying": "BTC", "expiry": "PERPETUAL", "n": 1}]
    assert (found["n_standing"], found["n_listed"], found["n_priced"], found["n_partitions"]) == (5, 10, 6, 2)


def test_words_hold_every_count() -> None:
    lines = why_statistics.in_words(why_statistics.statistics(REJECTS, MARKS)).splitlines()
    assert lines[0] == "6 of 10 listed instruments priced in the last minute of log time; 5 stand rejected"
    assert lines[1].split() == ["NO_QUOTE", "3", "the", "oldest", "since", "2026-01-09T07:29:00Z"]
    assert lines[2].split() == ["BTC", "27MAR26", "2"]
    assert len(lines) == 1 + 3 + 4


def test_nothing_rejected_is_said_as_such() -> None:
    assert why_statistics.statistics([], MARKS)["reasons"] == []
    assert why_statistics.in_words(why_statistics.statistics([], [])).startswith("0 of 0")


@pytest.mark.parametrize("words", [["why"], ["why", "BTC-27MAR26-90000-C", "--statistics"]])
def test_why_wants_an_instrument_or_statistics(words: list[str]) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2 and "give an INSTRUMENT, or --statistics" in done.output
