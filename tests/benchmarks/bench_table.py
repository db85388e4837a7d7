"""What was measured, and the table of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_HEAD = ("what", "now", "instead", "ratio", "measured")


@dataclass(slots=True)
class Row:
    """One figure of ours, beside what one would have instead.

    Attributes:
        what: what is measured, in words.
        unit: of the figures; "" for a number.
        now: ours, one value a measurement.
        instead: others by name, likewise.
        of: what one measurement saw, such as "400 files".
    """

    what: str
    unit: str
    now: list[float]
    instead: dict[str, list[float]] = field(default_factory=dict)
    of: str = ""

    def add(self, other: Row) -> None:
        """Take in another measurement of the same."""
        self.now += other.now
        for name, values in other.instead.items():
            self.instead.setdefault(name, []).extend(values)


def merged(rows: Iterable[Row]) -> list[Row]:
    """Rows of the same thing as one, in the order in which they came first."""
    found: dict[str, Row] = {}
    for row in rows:
        if row.what in found:
            found[row.what].add(row)
        else:
            found[row.what] = row
    return list(found.values())


def table(rows: Sequence[Row]) -> str:
    """The rows as text, in columns."""
    lines = [_HEAD, *_lines(rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    told = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([told[0], "-" * len(told[0]), *told[1:]])


def markdown(rows: Sequence[Row]) -> str:
    """The rows as they stand in the README."""
    lines = [_HEAD, ("---",) * len(_HEAD), *_lines(rows)]
    return "\n".join(f"| {' | '.join(cell.strip() for cell in line)} |" for line in lines)


def _lines(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The cells of each row: a line for each that it is compared with."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        first = True
        for name, values in row.instead.items() or [("", [])]:
            lines.append((
                row.what if first else "", _figure(row.now, row.unit) if first else "",
                f"{name}: {_figure(values, row.unit)}" if values else "",
                _ratio(row.now, values), _measured(row, values, first=first)))
            first = False
    return lines


def _figure(values: Sequence[float], unit: str) -> str:
    return f"{_short(statistics.median(values))} {unit}".rstrip() if values else "?"


def _short(value: float) -> str:
    """Three digits that count, and no more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _ratio(now: Sequence[float], values: Sequence[float]) -> str:
    if not now or not values or not statistics.median(values):
        return ""
    return f"{statistics.median(now) / statistics.median(values):.2f}"


def _measured(row: Row, values: Sequence[float], *, first: bool) -> str:
    """How often, of what, and how far apart the values were."""
    shown = row.now if first else values
    told = [{1: "once", 2: "twice"}.get(len(shown), f"{len(shown)} times"), row.of]
    if len(shown) > 1 and (middle := statistics.median(shown)):
        told.append(f"± {(max(shown) - min(shown)) / 2 / middle:.0%}")
    return ", ".join(filter(None, told))
