"""Who is told: a web hook's receiver and a mail server, both real, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Receiver:
    """What came to a web server. `answer` is its status; while `hold` is set, it answers nobody."""

    port: int = 0
    answer: int = 200
    location: str = ""
    hold: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str]] = field(default_factory=list)  # method and path
    bodies: list[dict[str, Any]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def subjects(self) -> list[str]:
        return [body["title"] for body in self.bodies]

    def url(self, secret: str = "secret-token", kind: str = "json") -> str:
        return f"{kind}://127.0.0.1:{self.port}/{secret}"


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A web server that takes what Apprise's json:// and the heartbeat send."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.asked.append(("POST", self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            while told.hold.is_set() and not told.closing.wait(0.05):
                pass
            if told.answer < 300 and body:
                told.bodies.append(json.loads(body))
            self._answer()

        def do_GET(self) -> None:
            told.asked.append(("GET", self.path))
            while told.hold.is_set() and not told.closing.wait(0.05):
                pass
            self._answer()

        def _answer(self) -> None:
            with contextlib.suppress(OSError):  # whoever asked was killed
                self.send_response(told.answer)
                if told.location:
                    self.send_header("Location", told.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        told.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield told
        finally:
            told.closing.set()
            server.shutdown()
            thread.join(5)


class Mailbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = ""
        self.port = 0

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuse:
            return self.refuse
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"

    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=daemon@studio.example&to=admin@studio.example&mode=insecure"


@contextlib.contextmanager
def mail_server() -> Iterator[Mailbox]:
    """A real SMTP server on loopback."""
    box = Mailbox()

    class Freed(Controller):
        """Takes any free port."""

        def _trigger_server(self) -> None:
            assert isinstance(self.server, asyncio.Server)
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types

    controller = Freed(box, hostname="127.0.0.1", port=0)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()
