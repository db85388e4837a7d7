"""What this process must never tell: one list of it."""

from __future__ import annotations

from collections.abc import Callable

from diffio_watch.config import Config, read_key, webhook_secrets


class Secrets:
    """One list of every secret that this process has read: the log asks it what no line may tell.

    The API key and the webhooks' secrets are read here, anew each time; who reads another has it remembered.
    """

    def __init__(self) -> None:
        self._seen: list[str] = []

    def of(self, config: Config) -> Callable[[], str]:
        """What reads it from where this configuration says: one service's key is never told to another."""
        return lambda: self.read(config)

    def read(self, config: Config) -> str:
        """The key as it is now, from where this configuration says.

        Raises:
            KeyMissing: there is none.
        """
        key = read_key(config)
        self.remember(key)
        return key

    def webhook_secrets(self, config: Config) -> tuple[str, ...]:
        """The secrets of webhooks as they are now, from where this configuration says.

        Raises:
            SecretMissing: there is to be one, and there is none.
        """
        secrets = webhook_secrets(config)
        for secret in secrets:
            self.remember(secret.removeprefix("whsec_"))
        return secrets

    def remember(self, secret: str) -> None:
        """Have it told by no line of the log from now on, also when another took its place."""
        if secret not in self._seen:
            self._seen.append(secret)

    def known(self) -> list[str]:
        """Every one that was read."""
        return self._seen
