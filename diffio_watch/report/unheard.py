"""Addresses that can't be listened at just now, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GOES_ON: Final = "It is tried again by itself, and everything else goes on."


def told(missing: Mapping[str, str]) -> list[dict[str, str]]:
    """For `status` and the page.

    Args:
        missing: what is in the way, by the key that has the address.
    """
    return [{"key": key, "message": message, "action": GOES_ON} for key, message in missing.items()]


def of_webhooks(missing: Mapping[str, str], listens: str) -> str:
    """Why no webhook comes in; "" where they may.

    Args:
        missing: as above.
        listens: where they come to: an address of their own, or `web`.
    """
    message = missing.get("web.listen" if listens == "web" else "webhook.listen")
    return f"{message} {GOES_ON}" if message else ""
