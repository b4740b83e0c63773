"""CME's files to ``cme.marks.v1``, and beside Deribit's exposure to ``flow.merged.v1``: thin shells around ``streams.cme``.

settings   where, how often, and what is not published any more
files      which files there are, and what is in them
index      the index of a moment, from the market log
publish    marks to Kafka, confirmed; then the progress
run        once over given files, or for ever over a folder
merging    dealer flow and marks from their topics, side by side to flow.merged.v1
open_interest   CME's share of futures open interest, from files
figures    what it says of itself: metrics, readiness
"""
