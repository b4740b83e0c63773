"""Do settlement-average exposures predict better than European ones?  A pre-registered test of it (DEFINITIONS 3.8, H8): docs/uplift.md.

fields, plan     what a plan may say, and its digest        record, samples   the A/B record in columns, and what counts of it
regression       fits, and forecasts of what was known      long_run, bootstrap   how sure a mean is
family           many tests, many looks                     trial, judge, report  one test, the whole plan, in words
"""

from streams.flow.uplift.fields import PlanError
from streams.flow.uplift.judge import Finding, Result, State, Verdict, judge
from streams.flow.uplift.plan import Plan, digest, parse_plan
from streams.flow.uplift.record import DataError, Record, columns_of, read_record
from streams.flow.uplift.report import as_json, as_text

__all__ = [
    "DataError",
    "Finding",
    "Plan",
    "PlanError",
    "Record",
    "Result",
    "State",
    "Verdict",
    "as_json",
    "as_text",
    "columns_of",
    "digest",
    "judge",
    "parse_plan",
    "read_record",
]  # fmt: skip
