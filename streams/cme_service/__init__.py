"""CME's files to ``cme.marks.v1``: a thin shell around ``streams.cme``.

settings   where, how often, and what is not published any more
files      which files there are, and what is in them
index      the index of a moment, from the market log
publish    marks to Kafka, confirmed; then the progress
run        once over given files, or for ever over a folder
figures    what it says of itself: metrics, readiness
"""
