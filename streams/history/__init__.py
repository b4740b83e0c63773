"""History: results from their topics into Parquet, exactly once, and what can be asked of it.

tables, ddl    which tables, their columns from the Avro schemas; the same as SQL for ClickHouse       pure
ranges         which offsets are in, so that nothing is twice                                          pure
rows           records to columns, by day and currency                                                 pure
asof           the chain of a moment, one instrument's vols over time                                  pure
volatility     IV rank and percentile, constant maturity, realised vol, risk premium                   pure
store          the folder: files and the progress, in this order
sink           Kafka into the folder
questions      what the commands ask of the folder
settings       where, how often
"""
