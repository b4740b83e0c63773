"""What is made of a supervisor's figures: samples of its metrics, and readiness of all its children together.  Pure."""

from __future__ import annotations

from typing import NamedTuple

from streams.metrics import MetricsSettings, Page, Readiness, Samples, ratio, why_not_covered
from streams.supervisor.vitals import Vital

SILENT_S = 10.0
"""A worker reports every second; one that has said nothing for so long is stuck."""
MOST_REASONS = 20


class Child(NamedTuple):
    """One process that is kept running."""

    name: str
    is_up: bool
    n_restarts: int
    n_watchdog: int
    """Restarts after the watchdog had ended it."""
    vital: Vital | None
    """Of a worker; None: a child that does not report."""


class Figures(NamedTuple):
    """One moment of a supervisor."""

    children: tuple[Child, ...]
    knows_ends: bool = False
    """The broker says where the log ends."""


def page(settings: MetricsSettings) -> Page[Figures]:
    """The supervisor's page, empty yet."""
    return Page("supervisor", samples, lambda figures: readiness(figures, settings))


def readiness(figures: Figures, settings: MetricsSettings) -> Readiness:
    """Ready: every child runs, every worker is up to date, and of the chain that they have together enough is priced."""
    shares = _shares(figures)
    reasons = [reason for child in figures.children for reason in _why_not(child)]
    if not reasons:
        reasons = ["no option is listed"] if shares[0] is None else why_not_covered(*shares, settings.ready_coverage)
    if len(reasons) > MOST_REASONS:
        reasons[MOST_REASONS:] = [f"and {len(reasons) - MOST_REASONS} more"]
    return Readiness(tuple(reasons), *shares)


def _why_not(child: Child) -> list[str]:
    if not child.is_up:
        return [f"{child.name} does not run"]
    if child.vital is None:
        return []
    if child.vital.report is None:
        return [f"{child.name} starts: it has not reported yet"]
    if child.vital.report_age_s > SILENT_S:
        return [f"{child.name} has been silent for {child.vital.report_age_s:.0f} s"]
    return [f"{child.name}: {reason}" for reason in child.vital.report.reasons]


def _shares(figures: Figures) -> tuple[float | None, float | None]:
    """Coverage by count and by open interest over all workers."""
    found = [
        child.vital.report for child in figures.children if child.vital is not None and child.vital.report is not None
    ]
    by_count = ratio(sum(item.n_priced for item in found), sum(item.n_listed for item in found))
    return by_count, ratio(sum(item.priced_usd for item in found), sum(item.listed_usd for item in found))


def samples(figures: Figures) -> Samples:
    """Samples of the table ``SUPERVISOR``."""
    workers = [(child.name, child.vital) for child in figures.children if child.vital is not None]
    found: dict[str, dict[tuple[str, ...], float]] = {
        "children": {(): len(figures.children)},
        "child_up": {(child.name,): float(child.is_up) for child in figures.children},
        "restarts_total": {(child.name,): child.n_restarts for child in figures.children},
        "watchdog_restarts_total": {(child.name,): child.n_watchdog for child in figures.children},
        "log_ends_known": {(): float(figures.knows_ends)},
        "report_age_seconds": {(name,): vital.report_age_s for name, vital in workers},
        "unread_records": {(name,): vital.unread for name, vital in workers},
    }
    for name, share in zip(("coverage_ratio", "open_interest_coverage_ratio"), _shares(figures), strict=True):
        if share is not None:
            found[name] = {(): share}
    return found
