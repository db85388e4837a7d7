"""The page beside the demo: an address of its own on loopback, and the token with which buttons work."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from diffio_watch.cli.base import Trouble

_PORT: Final = 8480  # where a page is as a rule; another, where something has it
_START: Final = 15.0  # seconds for it to answer


@dataclass(frozen=True)
class Page:
    """Where the page will be.

    Attributes:
        port: on loopback.
        token: that changes need.
        token_file: where it stands.
    """

    port: int
    token: str
    token_file: Path

    @property
    def url(self) -> str:
        """The address, with the token where no log and no server sees it."""
        return f"http://127.0.0.1:{self.port}/#token={self.token}"

    @property
    def config(self) -> dict[str, Any]:
        """Its part of the configuration."""
        return {"listen": f"127.0.0.1:{self.port}", "token_file": str(self.token_file)}


def make(folder: Path) -> Page:
    """Find a port that is free now, and make a token in a file of the demo's folder."""
    token, file = secrets.token_urlsafe(32), folder / "page-token"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as out:
        out.write(f"{token}\n")
    return Page(_free_port(), token, file)


def _free_port() -> int:
    for port in (_PORT, 0):
        with socket.socket() as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(found.getsockname()[1])
    raise Trouble("There is no free port on 127.0.0.1 for the page.")


def wait(page: Page, must_run: Callable[[], None]) -> None:
    """Wait until the page answers.

    Args:
        page: where.
        must_run: raises where the daemon is no more.

    Raises:
        Trouble: it does not in time.
    """
    end = time.monotonic() + _START
    while True:
        must_run()
        try:
            socket.create_connection(("127.0.0.1", page.port), 1.0).close()
        except OSError:
            if time.monotonic() > end:
                raise Trouble(f"The page does not answer within {_START:.0f} s; the daemon's log says why.") from None
            time.sleep(0.1)
        else:
            return
