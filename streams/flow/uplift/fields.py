"""Strict reading of a mapping that a person wrote: every problem is said at once, with its place and what would be right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar

Choice = TypeVar("Choice", bound=StrEnum)
NOTHING = "(nothing)"


class PlanError(Exception):
    """A plan that cannot be tested as it stands.

    ``problems``: one line each: the place in the plan, what is wrong, what would be right.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the plan cannot be used:\n  " + "\n  ".join(problems))
        self.problems = tuple(problems)


def _shown(value: Any) -> str:
    return NOTHING if value is None else repr(value)


class Fields:
    """One mapping of the plan, read key by key.  What is wrong goes into ``problems``; a stand-in is returned, and used by nobody."""

    def __init__(self, value: Any, place: str, problems: list[str]) -> None:
        self.place, self.problems = place, problems
        self._read: list[str] = []
        if not isinstance(value, Mapping):
            problems.append(f"{place or 'the plan'}: want a mapping of keys and values, got {_shown(value)}")
            value = {}
        self._value: Mapping[Any, Any] = value

    def at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def has(self, key: str) -> bool:
        return self._value.get(key) is not None

    def problem(self, key: str, text: str) -> None:
        self.problems.append(f"{self.at(key)}: {text}")

    def raw(self, key: str, *, is_required: bool = True) -> Any:
        self._read.append(key)
        value = self._value.get(key)
        if value is None and is_required:
            self.problem(key, "is missing")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.raw(key, is_required=default is None)
        if value is None:
            return default or ""
        if not isinstance(value, str) or not value.strip():
            self.problem(key, f"want text, got {_shown(value)}" + ("; put it in quotes" if value is not None else ""))
            return ""
        return " ".join(value.split())

    def number(self, key: str, low: float, high: float, *, default: float | None = None) -> float:
        """A number in [low, high]."""
        value = self.raw(key, is_required=default is None)
        if value is None:
            return low if default is None else default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            also = "; YAML reads 1e-3 as text: write 0.001 or 1.0e-3" if isinstance(value, str) else ""
            self.problem(key, f"want a number, got {_shown(value)}{also}")
            return low
        if not low <= value <= high:
            self.problem(key, f"{value:g} is not between {low:g} and {high:g}")
            return low
        return float(value)

    def whole(self, key: str, low: int, high: int = 10**9, *, default: int | None = None) -> int:
        """A whole number in [low, high]."""
        value = self.raw(key, is_required=default is None)
        if value is None:
            return low if default is None else default
        if isinstance(value, bool) or not isinstance(value, int):
            self.problem(key, f"want a whole number, got {_shown(value)}")
            return low
        if not low <= value <= high:
            self.problem(key, f"{value} is not between {low} and {high}")
            return low
        return value

    def wholes(self, key: str, low: int) -> tuple[int, ...]:
        """Rising whole numbers, the first at least ``low``."""
        value = self.raw(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
            self.problem(key, f"want a list of whole numbers, got {_shown(value)}")
            return ()
        if not value or value[0] < low or any(b <= a for a, b in pairwise(value)):
            self.problem(key, f"want rising numbers from {low} on, got {value}")
            return ()
        return tuple(value)

    def choice(self, key: str, kind: type[Choice], default: Choice | None = None) -> Choice:
        value = self.raw(key, is_required=default is None)
        if value is None:
            return default if default is not None else next(iter(kind))
        known = [str(item) for item in kind]
        if value not in known:
            close = get_close_matches(str(value), known, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            self.problem(key, f"{_shown(value)} is unknown; {hint}want one of {', '.join(known)}")
            return next(iter(kind))
        return kind(value)

    def moment(self, key: str) -> int:
        """A date or a time, UTC where it says no zone: ns UTC."""
        value = self.raw(key)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                self.problem(key, f"{value!r} is no time; want one such as 2026-12-01T08:00:00Z")
                return 0
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if not isinstance(value, datetime):
            if value is not None:
                self.problem(key, f"want a date or a time such as 2026-12-01T08:00:00Z, got {_shown(value)}")
            return 0
        return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000

    def section(self, key: str) -> Fields:
        value = self.raw(key)
        return Fields({} if value is None else value, self.at(key), self.problems)

    def sections(self, key: str, *, is_required: bool = True) -> list[Fields]:
        value = self.raw(key, is_required=is_required)
        if value is None:
            return []
        if not isinstance(value, list) or not value:
            self.problem(key, f"want a list of mappings, got {_shown(value)}")
            return []
        return [Fields(item, f"{self.at(key)}[{i}]", self.problems) for i, item in enumerate(value)]

    def end(self) -> None:
        """Nothing may be left that was not read: a key with a slip of the pen would change nothing, silently."""
        for key in self._value:
            if key not in self._read:
                close = get_close_matches(str(key), self._read, 1)
                hint = f"did you mean {close[0]}? " if close else ""
                self.problem(str(key), f"is unknown here; {hint}known: {', '.join(dict.fromkeys(self._read))}")
