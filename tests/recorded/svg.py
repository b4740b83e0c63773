"""Line charts as small SVG text: no dependency, no fonts of a machine, a few numbers a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 26, 22
"""Room around a panel for its numbers and its title, px."""


@dataclass(frozen=True)
class Curve:
    """Points joined by a line, or single dots; ``colour`` and ``width`` (px) as SVG takes them."""

    name: str
    points: Sequence[Point]
    colour: str
    width: float = 1.5
    is_dots: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart: x from ``x_range``, y from 0 or the least value to the largest; ``band`` is shaded (x from, x to)."""

    title: str
    curves: Sequence[Curve]
    x_range: tuple[float, float]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[float]
    band: tuple[float, float] | None = None
    size: tuple[int, int] = field(default=(430, 230))

    def __post_init__(self) -> None:
        if len(self.y_ticks) < 2:
            raise ValueError("want two y ticks at least: they are the y range")

    def place(self, point: Point) -> Point:
        """Data to pixels of the panel."""
        width, height = self.size[0] - LEFT - RIGHT, self.size[1] - TOP - BOTTOM
        (x_low, x_high), (y_low, y_high) = self.x_range, (self.y_ticks[0], self.y_ticks[-1])
        x = LEFT + width * (point[0] - x_low) / (x_high - x_low)
        y = TOP + height * (y_high - min(point[1], y_high)) / (y_high - y_low)
        return round(x, 1), round(y, 1)


def _text(x: float, y: float, text: str, anchor: str = "middle", size: int = 11) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _curve(panel: Panel, curve: Curve) -> str:
    placed = [panel.place(point) for point in curve.points]
    if curve.is_dots:
        return "".join(f'<circle cx="{x:g}" cy="{y:g}" r="3.5" fill="{curve.colour}"/>' for x, y in placed)
    path = " ".join(f"{x:g},{y:g}" for x, y in placed)
    return f'<polyline fill="none" stroke="{curve.colour}" stroke-width="{curve.width:g}" points="{path}"/>'


def _panel(panel: Panel) -> list[str]:
    parts = []
    (left, top), (right, bottom) = (
        panel.place((panel.x_range[0], panel.y_ticks[-1])),
        panel.place((panel.x_range[1], panel.y_ticks[0])),
    )
    if panel.band is not None:
        (start, _), (end, _) = panel.place((panel.band[0], 0.0)), panel.place((panel.band[1], 0.0))
        parts.append(
            f'<rect x="{start:g}" y="{top:g}" width="{end - start:g}" height="{bottom - top:g}" fill="#f1ede2"/>'
        )
    for value in panel.y_ticks:
        _, y = panel.place((panel.x_range[0], value))
        parts.append(
            f'<path d="M{left:g} {y:g}H{right:g}" stroke="#ddd"/>' + _text(left - 5, y + 4, f"{value:g}", "end")
        )
    for value, label in panel.x_ticks:
        x, _ = panel.place((value, panel.y_ticks[0]))
        parts.append(_text(x, bottom + 15, label, "end" if x > right - 10 else "middle"))
    parts += [_curve(panel, curve) for curve in panel.curves]
    parts.append(_text(left, 16, panel.title, "start", 12))
    return parts


def _legend(curves: Sequence[Curve], y: int) -> list[str]:
    parts, x = [], LEFT
    for curve in curves:
        parts.append(f'<rect x="{x}" y="{y - 8}" width="16" height="4" fill="{curve.colour}"/>')
        parts.append(_text(x + 22, y, curve.name, "start", 12))
        x += 40 + 7 * len(curve.name)
    return parts


def chart(rows: Sequence[Sequence[Panel]], title: str) -> str:
    """Panels in rows under one legend (that of the first panel), as SVG text."""
    width = max(sum(panel.size[0] for panel in row) for row in rows)
    height = sum(row[0].size[1] for row in rows) + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_legend(rows[0][0].curves, 20),
    ]
    y = 30
    for row in rows:
        x = 0
        for panel in row:
            lines += [f'<g transform="translate({x} {y})">', *_panel(panel), "</g>"]
            x += panel.size[0]
        y += row[0].size[1]
    return "\n".join([*lines, "</svg>"]) + "\n"
