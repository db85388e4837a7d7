"""Logs: console for people, JSON lines for machines; one event a change of state, and no secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from diffio_watch.disk.names import show, terminal

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
    console = style == "console" or (style == "auto" and out.isatty())
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.format_exc_info,
        _fit,
        _Redact(secrets),
    ]
    processors.append(structlog.dev.ConsoleRenderer(colors=out.isatty()) if console
                      else structlog.processors.JSONRenderer())
    structlog.configure(
        processors=processors, logger_factory=structlog.WriteLoggerFactory(out),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]), cache_logger_on_first_use=False)
    return cast("FilteringBoundLogger", structlog.get_logger())


def _fit(_: object, __: str, event: EventDict) -> EventDict:
    """File names are shown, and whatever a name or the service says is no terminal command."""
    return {key: _words(show(value) if key in {"path", "file"} else value) if isinstance(value, str) else value
            for key, value in event.items()}


def _words(text: str) -> str:
    return "\n".join(terminal(line) for line in text.split("\n"))


class _Redact:
    """Puts stars where a secret would stand. There is no place where one should: this is the second lock."""

    def __init__(self, secrets: Callable[[], list[str]]) -> None:
        self._secrets = secrets

    def __call__(self, _: object, __: str, event: EventDict) -> EventDict:
        hidden = [secret for secret in self._secrets() if secret]
        return {key: self._hide(value, hidden) for key, value in event.items()}

    def _hide(self, value: Any, hidden: list[str]) -> Any:
        if isinstance(value, str):
            for secret in hidden:
                value = value.replace(secret, "***")
        return value
