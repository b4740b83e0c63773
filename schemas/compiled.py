"""Avro bodies at speed: one encoder and one decoder function per record, written out from its .avsc at import.

fastavro needs 40 us to write a ``Greeks`` row and 12 us to read an ``OptionQuote``; a worker has 200 us in all for both, a
replay 40 us.  The functions made here take a fraction of that, because they pack runs of nullable doubles with one
``struct`` call and make no dict on the way; the engine's ``columns`` and ``quotes`` do a batch at once.  fastavro stays the
reference (tests/properties/test_codec_properties.py: same bytes, same values) and reads what other versions have written.

Stricter than Avro in three points, all of which keep bad values out of the engine: no NaN or infinity, ``int`` within 32
bits, and enum symbols, flags and union branches in their shortest encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from schemas import varints
from schemas.varints import Decoder

Encoder = Callable[[Any], bytes]
FAILURES = (IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, struct.error)
"""All that the functions made here raise for bad values or bytes; codec.py turns them into the room's own errors."""

RUN_MINIMUM = 3
NULLABLE_DOUBLE = ["null", "double"]
PUT = {"long": "put_long", "int": "put_int", "string": "put_text", "bytes": "put_blob", "double": "put_double"}
GET = {"long": "get_long", "int": "get_int", "string": "get_text", "bytes": "get_blob", "double": "get_double"}
HELPERS = (*PUT.values(), *GET.values(), "get_items", "require_finite")


class _Source:
    """Lines of one function and the objects that they name."""

    def __init__(self, name: str, arguments: str) -> None:
        self.name = name
        self.lines = [f"def {name}({arguments}):"]
        self.names: dict[str, Any] = {key: getattr(varints, key) for key in HELPERS}
        self.names |= {"FLAG": {False: b"\0", True: b"\1"}, "flag": {0: False, 1: True}, "join": b"".join}
        self.names |= {"pack_double": struct.Struct("<d").pack, "pack_present": struct.Struct("<Bd").pack}
        self.names |= {"unpack_double": struct.Struct("<d").unpack_from}

    def add(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def keep(self, thing: Any, stem: str) -> str:
        name = f"{stem}_{len(self.names)}"
        self.names[name] = thing
        return name

    def function(self) -> Any:
        exec(compile("\n".join(self.lines), f"<schemas.compiled {self.name}>", "exec"), self.names)
        return self.names[self.name]


def _runs(fields: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Fields cut into runs of RUN_MINIMUM and more nullable doubles, and single ones."""
    runs: list[list[dict[str, Any]]] = []
    for field in fields:
        if runs and field["type"] == runs[-1][-1]["type"] == NULLABLE_DOUBLE:
            runs[-1].append(field)
        else:
            runs.append([field])
    return [part for run in runs for part in ([run] if len(run) >= RUN_MINIMUM else [[field] for field in run])]


class Compiler:
    """Makes the functions of one .avsc; ``types`` gives the class of every record and enum by its name."""

    def __init__(self, types: Mapping[str, type[Any]], schema: dict[str, Any]) -> None:
        self.types = types
        self.schema = schema
        self.named: dict[str, dict[str, Any]] = {}

    def encoder(self) -> Encoder:
        return self._record_encoder(self.schema)

    def decoder(self) -> Decoder:
        return self._record_decoder(self.schema)

    def _look_up(self, schema: Any) -> Any:
        """The schema that a name stands for; one with a name is remembered when first met."""
        if isinstance(schema, str):
            return self.named.get(schema, schema)
        if isinstance(schema, dict) and "name" in schema:
            self.named[f"{schema['namespace']}.{schema['name']}"] = schema
        return schema

    @staticmethod
    def _finite(source: _Source, schema: dict[str, Any]) -> None:
        """One test of the sum finds any NaN or infinity; where it overflows by itself, each number is looked at."""
        doubles = [f["name"] for f in schema["fields"] if f["type"] in ("double", NULLABLE_DOUBLE)]
        pairs = ", ".join(f"({name!r}, v_{name})" for name in doubles)
        source.add(1, f"if total - total != 0.0: require_finite([{pairs}])")

    # --- values to bytes

    def _record_encoder(self, schema: dict[str, Any]) -> Encoder:
        source = _Source(f"encode_{schema['name']}", "record")
        kind = source.keep(self.types[schema["name"]], "type")
        source.add(1, f"if record.__class__ is not {kind}: raise TypeError('not a ' + {kind}.__name__)")
        source.add(1, f"({', '.join('v_' + field['name'] for field in schema['fields'])},) = record")
        source.add(1, "total = 0.0")
        parts: list[str] = []
        for run in _runs(schema["fields"]):
            names = ["v_" + field["name"] for field in run]
            parts.append(self._put_run(source, names) if len(run) > 1 else self._put(source, run[0]["type"], names[0]))
        self._finite(source, schema)
        source.add(1, f"return join(({', '.join(parts)},))")
        function: Encoder = source.function()
        return function

    @staticmethod
    def _put_run(source: _Source, values: list[str]) -> str:
        pack = source.keep(struct.Struct("<" + "Bd" * len(values)).pack, "pack")
        name = source.keep(None, "run")
        source.add(1, f"if {' or '.join(f'{value} is None' for value in values)}:")
        for value in values:
            source.add(2, f"if {value} is not None: total += {value}")
        parts = ", ".join(f"b'\\0' if {value} is None else pack_present(2, {value})" for value in values)
        source.add(2, f"{name} = join(({parts}))")
        source.add(1, "else:")
        source.add(2, f"total += {' + '.join(values)}")
        source.add(2, f"{name} = {pack}({', '.join(f'2, {value}' for value in values)})")
        return name

    def _put(self, source: _Source, schema: Any, value: str) -> str:
        """Expression for the bytes of one field; a double adds a line that puts it into the total."""
        schema = self._look_up(schema)
        if schema == NULLABLE_DOUBLE:
            source.add(1, f"if {value} is not None: total += {value}")
            return f"(b'\\0' if {value} is None else pack_present(2, {value}))"
        if isinstance(schema, list):
            return f"(b'\\0' if {value} is None else b'\\2' + {self._put(source, schema[1], value)})"
        if schema == "double":
            source.add(1, f"total += {value}")
            return f"pack_double({value})"
        if schema == "boolean":
            return f"FLAG[{value}]"
        if isinstance(schema, str):
            return f"{PUT[schema]}({value})"
        if schema["type"] == "enum":
            members = self.types[schema["name"]]
            table = {members[symbol]: varints.long_bytes(i) for i, symbol in enumerate(schema["symbols"])}
            # An IntEnum of another room hashes like ours: compare the class too, or its number would pass for ours.
            kind, symbols = source.keep(members, "type"), source.keep(table, "enum")
            return f"{symbols}[{value} if {value}.__class__ is {kind} else repr({value})]"
        if schema["type"] == "array":
            put = source.keep(self._item_encoder(schema["items"]), "put")
            items = f"join([{put}(item) for item in {value}])"
        else:
            put = source.keep(self._item_encoder(schema["values"]), "put")
            items = f"join([put_text(key) + {put}(item) for key, item in {value}.items()])"
        return f"(put_long(len({value})) + {items} + b'\\0' if {value} else b'\\0')"

    def _item_encoder(self, schema: Any) -> Encoder:
        schema = self._look_up(schema)
        function: Encoder = getattr(varints, PUT[schema]) if isinstance(schema, str) else self._record_encoder(schema)
        return function

    # --- bytes to values

    def _record_decoder(self, schema: dict[str, Any]) -> Decoder:
        source = _Source(f"decode_{schema['name']}", "data, at")
        make = source.keep(self.types[schema["name"]]._make, "make")
        source.add(1, "total = 0.0")
        for run in _runs(schema["fields"]):
            names = ["v_" + field["name"] for field in run]
            if len(run) > 1:
                self._get_run(source, names)
            else:
                self._get(source, 1, run[0]["type"], names[0])
        self._finite(source, schema)
        source.add(1, f"return {make}(({', '.join('v_' + field['name'] for field in schema['fields'])},)), at")
        function: Decoder = source.function()
        return function

    def _get_run(self, source: _Source, values: list[str]) -> None:
        """All there: one unpack.  Else one by one."""
        size = 9 * len(values)
        unpack = source.keep(struct.Struct("<" + "Bd" * len(values)).unpack_from, "unpack")
        source.add(1, f"if data[at] == 2 and at + {size} <= len(data):")
        source.add(2, f"{', '.join(f'tag_{i}, {value}' for i, value in enumerate(values))} = {unpack}(data, at)")
        source.add(2, f"whole = {' == '.join(f'tag_{i}' for i in range(len(values)))} == 2")
        source.add(1, "else: whole = False")
        source.add(1, f"if whole: at += {size}; total += {' + '.join(values)}")
        source.add(1, "else:")
        for value in values:
            self._get(source, 2, NULLABLE_DOUBLE, value)

    def _get(self, source: _Source, depth: int, schema: Any, value: str) -> None:
        schema = self._look_up(schema)
        if isinstance(schema, list):
            source.add(depth, f"if data[at] == 0: {value} = None; at += 1")
            source.add(depth, "elif data[at] == 2:")
            source.add(depth + 1, "at += 1")
            self._get(source, depth + 1, schema[1], value)
            source.add(depth, "else: raise ValueError('no branch of the union')")
        elif schema == "double":
            source.add(depth, f"({value},) = unpack_double(data, at); at += 8; total += {value}")
        elif schema == "boolean":
            source.add(depth, f"{value} = flag[data[at]]; at += 1")
        elif isinstance(schema, str):
            source.add(depth, f"{value}, at = {GET[schema]}(data, at)")
        elif schema["type"] == "enum":
            members = self.types[schema["name"]]
            symbols = source.keep({2 * i: members[symbol] for i, symbol in enumerate(schema["symbols"])}, "enum")
            source.add(depth, f"{value} = {symbols}[data[at]]; at += 1")
        elif schema["type"] == "array":
            get = source.keep(self._item_decoder(schema["items"]), "get")
            source.add(depth, f"{value}, at = get_items(data, at, {get}); {value} = tuple({value})")
        else:
            get = source.keep(self._pair_decoder(schema["values"]), "get")
            source.add(depth, f"{value}, at = get_items(data, at, {get}); {value} = dict({value})")

    def _item_decoder(self, schema: Any) -> Decoder:
        schema = self._look_up(schema)
        function: Decoder = getattr(varints, GET[schema]) if isinstance(schema, str) else self._record_decoder(schema)
        return function

    def _pair_decoder(self, schema: Any) -> Decoder:
        get_value = self._item_decoder(schema)

        def pair(data: bytes, at: int) -> tuple[tuple[str, Any], int]:
            key, at = varints.get_text(data, at)
            value, at = get_value(data, at)
            return (key, value), at

        return pair
