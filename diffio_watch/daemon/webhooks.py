"""The webhooks' side of the daemon: what they announce reaches the dispatcher, what is known of them the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config, secret_named
from diffio_watch.journal import Journal
from diffio_watch.journal.webhooks import TOLD, WebhookFacts, last_known, remember

if TYPE_CHECKING:
    from diffio_watch.service.webhooks import Webhooks

_REMEMBER_EVERY: Final = 5.0  # seconds: what comes from outside must not set the pace at which anything is written


class Hooks:
    """Makes what receives webhooks.

    Attributes:
        made: what was made last.

    Args:
        journal: the daemon's.
        log: where events go.
        secrets: reads the secrets of a configuration.
        announce: told the id of each generation that ended, from any thread.
        reliable: whether polls rely on webhooks.
    """

    def __init__(self, journal: Journal, log: FilteringBoundLogger, secrets: Callable[[Config], tuple[str, ...]],
                 announce: Callable[[str], None], reliable: Callable[[], bool]) -> None:
        self._journal = journal
        self._log = log
        self._secrets = secrets
        self._announce = announce
        self._reliable = reliable
        self.made: Webhooks | None = None
        self._known: WebhookFacts | None = None
        self._at = float("-inf")

    def make(self, config: Config) -> Webhooks | None:
        """What receives them by this configuration; None where it has neither an address nor a secret for them."""
        before, self.made = self.made, None
        if wanted(config):
            from diffio_watch.service.webhooks import Webhooks  # noqa: PLC0415 - a daemon without any loads no server

            self.made = Webhooks(config.webhook.listen or "web", lambda: self._secrets(config), self._announce,
                                  self._log, self._journal.clock, before)
        self._at = float("-inf")
        self._known = last_known(self._journal)
        return self.made

    def tend(self) -> None:
        """Let the journal know how they come in, if that is news, and not often.

        Raises:
            JournalError: it can't be written.
        """
        now = self._journal.clock.monotonic()
        if now - self._at < _REMEMBER_EVERY:
            return
        facts = None if self.made is None else self.made.facts(reliable=self._reliable())
        if _news(facts) != _news(self._known):
            remember(self._journal, facts)
            self._known, self._at = facts, now


def _news(facts: WebhookFacts | None) -> WebhookFacts | None:
    """What is worth a write: not each one that is refused, for anybody may send such."""
    return None if facts is None else replace(facts, refused=min(facts.refused, TOLD), since=None)


def wanted(config: Config) -> bool:
    """Whether a configuration receives webhooks."""
    return config.webhook.listen is not None or (config.web.listen is not None and secret_named(config))
