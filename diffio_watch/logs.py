"""Logs: console for people, JSON lines for machines; one event a change of state, and no secrets.

Saying something never fails the work: what can't be told, for the log's disk is full or its reader gone, is counted,
and the count told as soon as something can be.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from diffio_watch import lines

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def open_log(level: str, style: str, *, secrets: Callable[[], list[str]], stream: TextIO | None = None,
             ) -> FilteringBoundLogger:
    """The program's log.

    Args:
        level: the least that is told: debug, info, warning or error.
        style: console, json, or auto: console on a terminal.
        secrets: words that must never be told, asked for at each event.
        stream: where to; standard error by default.
    """
    out = stream or sys.stderr
    if out is None:  # closed by who started the program
        out = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it stays open as standard error does
    terminal_there = _is_terminal(out)
    console = style == "console" or (style == "auto" and terminal_there)
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.format_exc_info,
        lines.fit,
        lines.Redact(secrets),
        lines.event_first,
    ]
    renderer: lines.Renderer = (structlog.dev.ConsoleRenderer(colors=terminal_there, sort_keys=False) if console
                                else structlog.processors.JSONRenderer())
    processors.append(lines.with_priorities(renderer) if lines.goes_to_journal(out) else renderer)
    structlog.configure(
        processors=processors, logger_factory=structlog.WriteLoggerFactory(out),
        wrapper_class=_unfailing(_LEVELS[level]), cache_logger_on_first_use=False)
    return cast("FilteringBoundLogger", structlog.get_logger())


def _is_terminal(out: TextIO) -> bool:
    try:
        return out.isatty()
    except (OSError, ValueError):
        return False


def say(words: str) -> None:
    """Print a sentence for a person to standard error, where anybody listens there."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # full, closed by us, closed by who started us
        sys.stderr.write((lines.prioritised(words, "error") if lines.goes_to_journal(sys.stderr) else words) + "\n")
        sys.stderr.flush()


def _unfailing(level: int) -> type[FilteringBoundLogger]:
    """The class of a log that raises nothing, whatever becomes of the place it writes to."""
    lost, lock = [0], threading.Lock()

    class Unfailing(structlog.make_filtering_bound_logger(level)):  # type: ignore[misc]  # a class made by a function
        def _proxy_to_logger(self, method_name: str, event: str | None = None, *args: Any, **more: Any) -> Any:
            try:
                told = super()._proxy_to_logger(method_name, event, *args, **more)
            except Exception:  # noqa: BLE001 - there is no place left to tell it
                with lock:
                    lost[0] += 1
                return None
            with lock:
                count, lost[0] = lost[0], 0
            if count:
                self.warning("log.lost", events=count)
            return told

    return cast("type[FilteringBoundLogger]", Unfailing)
