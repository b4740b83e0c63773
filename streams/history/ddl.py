"""The tables as SQL for a ClickHouse server of one's own, from the same schemas as the files."""

from __future__ import annotations

from typing import Any

from streams.history.tables import TABLES, Column, Table, columns

DATABASE = "greekstream"
_PRIMITIVES = {
    "string": "String",
    "long": "Int64",
    "int": "Int32",
    "double": "Float64",
    "boolean": "Bool",
    "bytes": "String",
}
HEAD = """-- Tables of greekstream's history for ClickHouse, printed by `greekstream history --ddl`.
-- Times are ns UTC since the epoch in Int64, as on the wire: fromUnixTimestamp64Nano(ts_event_ns, 'UTC') shows one.
-- A row loaded twice is one row once its parts are merged; SELECT ... FINAL sees one at once.
-- Each table's INSERT loads its files: a server reads them below its user_files_path, clickhouse local where it is started.
"""


def ddl(database: str = DATABASE) -> str:
    """CREATE statements of all tables, each with the statement that loads its files."""
    return "\n".join(
        [HEAD, f"CREATE DATABASE IF NOT EXISTS {database};", *(_table(one, database) for one in TABLES.values())]
    )


def _table(table: Table, database: str) -> str:
    named: dict[str, str] = {}
    lines = ",\n".join(f"    {_column(one, named)}" for one in columns(table))
    order = ", ".join((*table.key, "log_partition", "log_offset"))
    return f"""
CREATE TABLE IF NOT EXISTS {database}.{table.name}
(
{lines}
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY ({order})
COMMENT {_text(f"{table.topic.name}, one row a record")};
-- INSERT INTO {database}.{table.name} SELECT * FROM file('history/live/{table.name}/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;
"""


def _column(column: Column, named: dict[str, str]) -> str:
    kind = clickhouse_type(column.schema, named)
    if column.is_nullable:
        kind = f"LowCardinality(Nullable({kind[15:-1]}))" if kind.startswith("LowCardinality(") else f"Nullable({kind})"
    return f"{column.name} {kind} COMMENT {_text(column.doc)}"


def clickhouse_type(schema: Any, named: dict[str, str]) -> str:
    """ClickHouse's type of an Avro schema without null."""
    if isinstance(schema, str):
        return _PRIMITIVES[schema] if schema in _PRIMITIVES else named[schema]
    kind = schema["type"]
    if kind == "array":
        return f"Array({_inner(schema['items'], named)})"
    if kind == "enum":
        found = "LowCardinality(String)"
    elif kind == "record":
        inner = [f"{one['name']} {_inner(one['type'], named)}" for one in schema["fields"]]
        found = f"Tuple({', '.join(inner)})"
    else:
        raise TypeError(f"no column for the Avro type {kind!r}")
    named[f"{schema.get('namespace', 'greekstream.v1')}.{schema['name']}"] = found
    return found


def _inner(schema: Any, named: dict[str, str]) -> str:
    """Of an item or a field, where null may be one of two."""
    if isinstance(schema, list):
        (one,) = [kind for kind in schema if kind != "null"]
        return f"Nullable({clickhouse_type(one, named)})"
    return clickhouse_type(schema, named)


def _text(text: str) -> str:
    """A literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
