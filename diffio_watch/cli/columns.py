"""What fits itself into the room that a terminal has: names and progress bars."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.text import Text

_NARROW: Final = 12  # cells that a name keeps, however little room there is


class Name:
    """A name on one line. Where there is no room it loses its middle: how it begins and its end tell most of it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """The name, as wide as it may be."""
        yield Text(shortened(self.text, options.max_width), no_wrap=True, overflow="ellipsis")

    def __rich_measure__(self, _: Console, options: ConsoleOptions) -> Measurement:
        """From a few characters to all."""
        width = min(cell_len(self.text), options.max_width)
        return Measurement(min(_NARROW, width), width)


class Bar:
    """A progress bar that gives way before words do.

    Args:
        done: percent.
    """

    def __init__(self, done: float) -> None:
        self.done = done

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The bar, as wide as it may be."""
        yield from ProgressBar(total=100, completed=self.done, width=min(24, options.max_width)).__rich_console__(
            console, options)

    def __rich_measure__(self, _: Console, options: ConsoleOptions) -> Measurement:
        """From a third of the usual width to that."""
        return Measurement(min(8, options.max_width), min(24, options.max_width))


def shortened(text: str, cells: int) -> str:
    """The text in so many cells of a terminal, without its middle where it is longer."""
    if cell_len(text) <= cells:
        return text
    ahead = max(0, cells - 1) // 2
    begin, end = 0, len(text)
    while begin < len(text) and cell_len(text[:begin + 1]) <= ahead:
        begin += 1
    while end > begin and cell_len(text[end - 1:]) <= cells - 1 - ahead:
        end -= 1
    return f"{text[:begin]}…{text[end:]}"
