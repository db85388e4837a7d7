"""What a line of the log looks like: event first, names that can be shown, no secrets, priorities for the journal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TextIO

from diffio_watch.disk.names import show, terminal

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

    Renderer = Callable[[WrappedLogger, str, EventDict], str | bytes | bytearray]

# sd-daemon(3): what systemd's journal takes for the priority of a line
_PRIORITIES: Final = {"critical": 2, "error": 3, "exception": 3, "warning": 4, "info": 6, "debug": 7}
_FIRST: Final = ("event", "level", "timestamp")
_NAMES: Final = frozenset({"path", "file", "outputs"})  # file names, as `os.fsdecode` makes them
# words of this program's own, which no secret ever stands in
_OURS: Final = frozenset({*_FIRST, "job", "state", "reason", "scope", "inbox", "command", "thread"})
_LONG: Final = 16  # characters of a secret that can't be part of a word by chance


def event_first(_: object, __: str, event: EventDict) -> EventDict:
    """What happened stands first, then how bad it is and when; the facts follow."""
    return {key: event[key] for key in (*(key for key in _FIRST if key in event), *event)}


def fit(_: object, __: str, event: EventDict) -> EventDict:
    """File names are shown, and whatever a name or the service says is no terminal command."""
    return {key: _fitted(value, name=key in _NAMES) for key, value in event.items()}


def _fitted(value: Any, *, name: bool) -> Any:
    if isinstance(value, str):
        return _words(show(value) if name else value)
    if isinstance(value, (list, tuple)):
        return [_fitted(one, name=name) for one in value]
    return value


def _words(text: str) -> str:
    return "\n".join(terminal(line) for line in text.split("\n"))


class Redact:
    """Puts stars where a secret would stand. There is no place where one should: this is the second lock.

    A short key, such as the one of a test, may be a word that others stand in: it is hidden where it stands alone.

    Args:
        secrets: words that must never be told, asked for at each event.
    """

    def __init__(self, secrets: Callable[[], list[str]]) -> None:
        self._secrets = secrets

    def __call__(self, _: object, __: str, event: EventDict) -> EventDict:
        """The event without secrets."""
        hidden = [_pattern(secret) for secret in self._secrets() if secret]
        return {key: value if key in _OURS else _hide(value, hidden) for key, value in event.items()}


@lru_cache(512)
def _pattern(secret: str) -> re.Pattern[str]:
    found = re.escape(secret)
    return re.compile(found if len(secret) >= _LONG else rf"(?<![\w-]){found}(?![\w-])")


def _hide(value: Any, hidden: list[re.Pattern[str]]) -> Any:
    if isinstance(value, str):
        for secret in hidden:
            value = secret.sub("***", value)
    elif isinstance(value, (list, tuple)):
        return [_hide(one, hidden) for one in value]
    elif isinstance(value, dict):
        return {key: _hide(one, hidden) for key, one in value.items()}
    return value


def goes_to_journal(stream: TextIO) -> bool:
    """Whether what is written there becomes lines of systemd's journal (JOURNAL_STREAM of systemd.exec(5))."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(facts.st_dev), str(facts.st_ino))


def prioritised(text: str, level: str) -> str:
    """The text as systemd's journal takes it, each line with its priority."""
    prefix = f"<{_PRIORITIES.get(level, 6)}>"
    return "\n".join(prefix + line for line in text.split("\n"))


def with_priorities(render: Renderer) -> Callable[[WrappedLogger, str, EventDict], str]:
    """A renderer whose lines carry their priorities."""

    def rendered(logger: WrappedLogger, method: str, event: EventDict) -> str:
        level = str(event.get("level", method))
        text = render(logger, method, event)
        return prioritised(text if isinstance(text, str) else text.decode("utf-8", "replace"), level)

    return rendered
