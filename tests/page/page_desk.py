"""A studio whose daemon has its page on."""

from __future__ import annotations

import json
import socket
import urllib.request
from pathlib import Path
from typing import Any, Final

from sounds import sound
from whole_studio import NAME, Studio

from diffio_watch.sandbox import Sandbox

TOKEN: Final = "a-token-of-this-studio"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


class Desk:
    """Where the page is served, and what it is about.

    Args:
        base: an empty folder.
        service: a running sandbox.
    """

    def __init__(self, base: Path, service: Sandbox, **config: Any) -> None:
        self.service = service
        token = base / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        self.port = free_port()
        web = {"listen": f"127.0.0.1:{self.port}", "token_file": str(token), "hosts": ["studio.test"]}
        (base / "studio").mkdir()
        self.studio = Studio(base / "studio", service, web=web, **config)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def drop(self, *names: str, content: bytes | None = None) -> None:
        """Recordings, each of its own content, put into the inbox; given content, that."""
        for name in names:
            place = self.studio.inbox() / name
            place.parent.mkdir(parents=True, exist_ok=True)
            hidden = place.parent / f".{abs(hash(name))}.part"
            hidden.write_bytes(sound(repr(name)) if content is None else content)
            hidden.rename(place)

    def status(self) -> Any:
        """What the page is told."""
        with urllib.request.urlopen(f"{self.origin}/api/status", timeout=10) as answer:
            return json.load(answer)


__all__ = ["NAME", "TOKEN", "Desk", "free_port"]
