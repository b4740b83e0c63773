"""The pure core of CME's options: parse in, records out; no Kafka, no clock, no settings of its own.

refused      rows that could not be read, limits      bounded      bytes, plain or zstd, within them
dbn          Databento's files                        dbn_frames   which bytes are a record
settlement_csv   end-of-day files
"""
