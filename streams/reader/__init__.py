"""Reading results: the whole chain at once, then the stream without a gap.  What commands and notebooks use.

    from streams.reader import Reader

    with Reader("127.0.0.1:9092", namespace="demo") as reader:
        frame = reader.frame()              # the chain now, as a DataFrame; chain() gives records
        for row in reader:                  # from there on
            print(row.instrument_name, row.sigma, row.delta)

``table``   pure: the newest row of each instrument, watermarks, staleness
``source``  the Kafka consumer around it
``frame``   records as columns and DataFrames
``board``   pure: one expiry of the table as calls and puts by strike
"""

from streams.reader.frame import PandasMissing, to_columns, to_frame
from streams.reader.source import Reader, TopicMissing
from streams.reader.table import Arrival, Staleness, Table, identity_of

__all__ = [
    "Arrival",
    "PandasMissing",
    "Reader",
    "Staleness",
    "Table",
    "TopicMissing",
    "identity_of",
    "to_columns",
    "to_frame",
]
