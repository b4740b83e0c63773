"""The pure core of CME's options: files in, records out; no Kafka, no clock, no settings of its own.  docs/cme.md tells it in order.

refused, bounded     rows that could not be read, limits; bytes, plain or zstd, within them
dbn, dbn_frames      Databento's files                  settlement_csv   end-of-day files
days, exchange_days  business days, expiry instants     roots            products and roots, a table
contracts            multiplier, expiry, which future   book             the fold over rows
quotes               which price goes with which        sides            the assumed side of dealers
marks, mark_rows     Black-76, and the record of it     merge            beside Deribit's exposure
share                CME's share of futures open interest
sources, batch       files of either kind; marks as they are published
merged               merged exposure as records, a fold over flow, strikes and batches
futures_interest, venues_csv   what the share is read from
"""
