"""A page to ask: a journal, the server over real sockets, and requests made by hand."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config, load
from diffio_watch.job import Job, Settings, new_id
from diffio_watch.journal import Journal
from diffio_watch.logs import open_log
from diffio_watch.pipeline import command_queue
from diffio_watch.service.web import Web

TOKEN = "a-token-that-is-long-enough"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = {"Content-Type": "application/json"}
PATIENCE = 20.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


@dataclass
class Place:
    """One inbox with an outbox, a journal, and the page over them."""

    root: Path
    web_keys: str = ""
    inbox_keys: str = ""  # of the inbox
    address: str = "127.0.0.1:0"
    journal: Journal = field(init=False)
    web: Web = field(init=False)
    log: Path = field(init=False)
    events: FilteringBoundLogger = field(init=False)

    def __post_init__(self) -> None:
        for name in ("in", "out", "archive", "state"):
            (self.root / name).mkdir(exist_ok=True)
        self.token_file = self.root / "token"
        self.token_file.write_text(TOKEN)
        self.token_file.chmod(0o600)
        self.log = self.root / "log"

    @property
    def inbox(self) -> Path:
        return self.root / "in"

    @property
    def outbox(self) -> Path:
        return self.root / "out"

    def config(self) -> Config:
        file = self.root / "config.yaml"
        file.write_text(
            f"state_dir: {self.root}/state\n"
            f"inboxes: [{{name: podcasts, path: {self.root}/in, outbox: {self.root}/out, archive: {self.root}/archive, "
            f"originals: archive, {self.inbox_keys}}}]\n"
            f'web: {{listen: "{self.address}", token_file: {self.token_file}, {self.web_keys}}}\n')
        return load(file, {})

    def add(self, path: str = "a.wav", **facts: Any) -> Job:
        """Journal one job."""
        job = replace(Job(id=new_id(), inbox="podcasts", path=path, size=10, mtime_ns=1, settings=Settings(),
                          created_at=1e9, updated_at=1e9, detected_at=1e9), **facts)
        self.journal.jobs.add([job])
        return job

    @property
    def port(self) -> int:
        return int(self.web.sockets[0].getsockname()[1])

    def restart(self) -> None:
        """End the page, and begin one that knows what the journal does."""
        self.web.stop()
        self.web = Web(self.config(), self.journal, self.events)
        self.web.start()

    def reload(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Put a configuration in force as the daemon does; `meanwhile` happens while the next server is prepared."""
        before = self.web
        after = Web(self.config(), self.journal, self.events, before=before)
        meanwhile()
        before.stop(after=after)
        self.web = after
        after.start()

    def connect(self) -> socket.socket:
        if self.address.startswith("unix:"):
            made = socket.socket(socket.AF_UNIX)
            made.settimeout(PATIENCE)
            made.connect(self.address.removeprefix("unix:"))
            return made
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """One request on a connection of its own."""
        with self.connect() as wire:
            wire.sendall(request(method, path, {"Host": f"127.0.0.1:{self.port if 'unix' not in self.address else 0}",
                                                **(headers or {})}, body))
            return read_answer(wire, head_only=method == "HEAD")

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("GET", path, headers)

    def post(self, path: str, value: Any, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("POST", path, {**JSON, **(headers or {})}, json.dumps(value).encode())


@contextmanager
def page(root: Path, **more: Any) -> Iterator[Place]:
    """A page that serves, beside a thread that does as the daemon with requests."""
    place = Place(root, **more)
    with place.log.open("w") as log:
        ending = threading.Event()
        config = place.config()
        with Journal.open(root / "state", create=True) as journal:
            place.journal = journal
            place.events = open_log("debug", "json", secrets=list, stream=log)
            place.web = Web(config, journal, place.events)
            place.web.start()

            def serve() -> None:
                while not ending.wait(0.02):
                    command_queue.serve(journal, config, journal.clock.now())

            daemon = threading.Thread(target=serve)
            daemon.start()
            try:
                yield place
            finally:
                ending.set()
                daemon.join()
                place.web.stop()


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value),
             "Connection: close"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def read_answer(wire: socket.socket, *, head_only: bool = False) -> Answer:
    """An answer, read to the end of the connection."""
    got = b""
    while piece := wire.recv(1 << 20):
        got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    if headers.get("transfer-encoding") == "chunked" and not head_only:
        rest = _dechunked(rest)
    return Answer(int(first.split()[1]), headers, rest)


def _dechunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        whole += body[:length]
        body = body[length + 2:]
        if not length:
            break
    return whole
