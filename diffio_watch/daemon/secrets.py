"""What this process must never tell: one list of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from diffio_watch.config import Config, KeyMissing, read_key, webhook_secrets

_KEY_PATIENCE: Final = 20.0  # seconds of silence of the key's disk: one that spins up takes ten
_ANOTHER: Final = 60.0  # … after which it is another silence, where nobody asked meanwhile


class Secrets:
    """One list of every secret that this process has read: the log asks it what no line may tell.

    The API key and the webhooks' secrets are read here, anew each time; who reads another has it remembered.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: list[str] = []

    def of(self, config: Config) -> Callable[[], str]:
        """What reads it from where this configuration says: one service's key is never told to another.

        Where its disk is silent for long, the key counts as missing.
        """
        return _Key(lambda: self.read(config), self._monotonic)

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


class _Key:
    """Reads it. That its disk is silent is passing for as long as a disk may take."""

    def __init__(self, read: Callable[[], str], monotonic: Callable[[], float]) -> None:
        self._read, self._monotonic = read, monotonic
        self._silent: tuple[float, float] | None = None  # since when, and when that was seen last

    def __call__(self) -> str:
        try:
            key = self._read()
        except KeyMissing as error:
            now = self._monotonic()
            since, seen = self._silent or (now, now)
            since = now if now - seen > _ANOTHER else since
            self._silent = (since, now) if error.passing else None
            if error.passing and now - since >= _KEY_PATIENCE:
                raise KeyMissing(error.message, error.remedy) from None
            raise
        self._silent = None
        return key
