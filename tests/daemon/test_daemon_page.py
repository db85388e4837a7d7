"""The page beside the daemon: one that hangs is made anew, one whose settings stay the same goes on, through it all."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from diffio_watch.clock import Clock
from diffio_watch.config import Config, load
from diffio_watch.daemon.startup import CannotRun
from diffio_watch.daemon.traffic import Traffic
from diffio_watch.daemon.web import Beside
from diffio_watch.daemon.webhooks import Hooks
from diffio_watch.journal import Journal, unheard
from diffio_watch.logs import open_log
from diffio_watch.service import events

TOKEN = "a-token-that-is-long-enough"
PATIENCE = 15.0


class SetClock(Clock):
    """Goes as it is told."""

    at = 1000.0

    def monotonic(self) -> float:
        return self.at


class Desk:
    """A journal, and the page of a daemon beside it."""

    def __init__(self, root: Path) -> None:
        for name in ("in", "out", "state"):
            (root / name).mkdir()
        (root / "token").touch(0o600)
        (root / "token").write_text(TOKEN)
        self.root = root
        self.port = free_port()
        self.clock = SetClock()
        self.out = io.StringIO()
        log = open_log("debug", "json", secrets=list, stream=self.out)
        self.journal = Journal.open(root / "state", self.clock, create=True)
        hooks = Hooks(self.journal, log, lambda _: (), lambda _: None, lambda: False)
        self.page = Beside(self.journal, log, hooks, Traffic(), lambda _: None)

    def config(self, web: str = "", rest: str = "") -> Config:
        file = self.root / "config.yaml"
        file.write_text(
            f"state_dir: {self.root}/state\n"
            f"inboxes: [{{name: podcasts, path: {self.root}/in, outbox: {self.root}/out}}]\n"
            f'web: {{listen: "127.0.0.1:{self.port}", token_file: {self.root}/token{web}}}\n{rest}')
        return load(file, {})

    def look(self, seconds: float, looks: int = 1) -> None:
        """The main loop looks after the page, several times in so many seconds."""
        for _ in range(looks):
            self.clock.at += seconds / looks
            self.page.tend(moving=True)

    def ask(self, path: str, patience: float = PATIENCE) -> Any:
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            wire.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
            return json.loads(wire.getresponse().read())
        finally:
            wire.close()

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.out.getvalue().splitlines()) if line["event"] == event]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    try:
        yield made
    finally:
        made.page.stop()
        made.journal.close()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], threading.Event]]:
    """Has the threads of pages that start from now on stand still, until the event is set."""
    holds = list[threading.Event]()
    real = events.Hub.run

    def begin() -> threading.Event:
        hold = threading.Event()
        holds.append(hold)

        async def stands(self: events.Hub, ending: Any) -> None:
            if not hold.is_set():
                hold.wait()
            await real(self, ending)

        monkeypatch.setattr(events.Hub, "run", stands)
        return hold

    yield begin
    for hold in holds:
        hold.set()


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "page"]


def test_a_page_that_hangs_is_told_and_made_anew_at_its_address(
    desk: Desk, hang: Callable[[], threading.Event], monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold = hang()
    desk.page.open(desk.config())
    desk.page.start()
    with socket.create_connection(("127.0.0.1", desk.port), 0.3) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(TimeoutError):
            wire.recv(1)
    monkeypatch.undo()
    desk.look(29, 100)
    assert not desk.told("page.hangs")
    desk.look(10, 40)
    (told,) = desk.told("page.hangs")
    assert (told["level"], "made anew" in told["action"]) == ("error", True)
    desk.look(5)
    assert desk.ask("/healthz")["ok"] is True
    assert len(_threads()) == 2
    hold.set()
    (old, _) = _threads()
    old.join(PATIENCE)
    assert not old.is_alive(), "it ends as soon as it can"
    desk.look(1)
    assert desk.ask("/healthz")["ok"] is True


def test_a_daemon_that_stood_still_itself_finds_no_page_hanging(desk: Desk) -> None:
    """After SIGSTOP, or a machine that slept, its first look comes before the page could move."""
    desk.page.open(desk.config())
    desk.page.start()
    desk.look(1, 4)
    desk.look(5000, 10)
    assert not desk.told("page.hangs")


def test_pages_that_hang_again_and_again_leave_only_a_few_threads_behind(
    desk: Desk, hang: Callable[[], threading.Event],
) -> None:
    hold = hang()
    desk.page.open(desk.config())
    desk.page.start()
    for _ in range(12):
        desk.look(40, 60)
        desk.look(400, 1)
    assert len(_threads()) <= 5
    assert "once one of them ends" in desk.told("page.hangs")[-1]["action"]
    hold.set()
    for thread in _threads():
        thread.join(1.0)
    desk.look(400, 1)
    _until(desk, lambda: len(_threads()) == 1)  # else one that just ends may be asked
    assert desk.ask("/healthz")["ok"] is True


def test_a_page_whose_settings_stay_goes_on_with_its_streams_and_knows_the_new_configuration(desk: Desk) -> None:
    desk.page.open(desk.config())
    desk.page.start()
    (thread,) = _threads()
    with socket.create_connection(("127.0.0.1", desk.port), PATIENCE) as wire:
        wire.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while b"event: screen" not in got:
            got += wire.recv(65536)
        (desk.root / "second").mkdir()
        (desk.root / "out 2").mkdir()
        config = desk.config()
        more = replace(config.inboxes[0], name="second", path=desk.root / "second", outbox=desk.root / "out 2")
        desk.page.prepare(replace(config, inboxes=(*config.inboxes, more)))
        desk.page.change()
        while b'"name": "second"' not in got.replace(b'":"', b'": "'):
            piece = wire.recv(65536)
            assert piece, "the stream goes on"
            got += piece
    assert _threads() == [thread]
    assert [one["name"] for one in desk.ask("/api/status")["inboxes"]] == ["podcasts", "second"]


def test_a_name_server_that_does_not_answer_keeps_nobody_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are looked up aside: whoever starts, reloads or looks after everything goes on."""
    answers, real = threading.Event(), socket.getaddrinfo

    def slow(*args: Any, **more: Any) -> Any:
        answers.wait(4 * PATIENCE)
        return real(*args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr("diffio_watch.daemon.web.PATIENCE", 0.1)
    monkeypatch.setattr("diffio_watch.daemon.seeking.PATIENCE", 0.1)
    desk.page.open(desk.config())
    desk.page.start()
    desk.look(5, 3)
    (told,) = desk.told("page.unheard")
    assert "what knows names does not answer" in told["message"]
    with pytest.raises(CannotRun, match="can't be told yet"):
        desk.page.prepare(desk.config(rest='webhook: {listen: "127.0.0.1:0"}\n'))
    answers.set()
    _until(desk, lambda: desk.told("page.listening"))
    assert desk.ask("/healthz")["ok"] is True


def test_a_slow_name_server_says_nothing_of_an_address_that_is_listened_at(
        desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told once is told once, too, however often it is tried again."""
    looked_up, real = threading.Event(), socket.getaddrinfo
    asked: list[str] = []

    def slow(host: Any, *args: Any, **more: Any) -> Any:
        if host == "studio.example":
            asked.append(host)
            if len(asked) > 1:
                looked_up.wait(PATIENCE)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    config = desk.config(rest='webhook: {listen: "127.0.0.1:0"}\n')
    desk.page.open(replace(config, web=replace(config.web, listen="studio.example:8480")))
    desk.page.start()
    while len(asked) < 2:
        desk.look(10)
        assert unheard.last_known(desk.journal).keys() == {"web.listen"}
    looked_up.set()
    assert [one["key"] for one in desk.told("page.unheard")] == ["web.listen"]


def test_a_look_up_that_never_comes_back_is_not_the_last_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside it another is begun, at growing pauses."""
    never, real = threading.Event(), socket.getaddrinfo
    asked: list[float] = []

    def hangs(host: Any, *args: Any, **more: Any) -> Any:
        if host == "studio.example":
            asked.append(desk.clock.at)
            if len(asked) < 4:
                never.wait(4 * PATIENCE)
            host = "127.0.0.1"
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    monkeypatch.setattr("diffio_watch.daemon.web.PATIENCE", 0.01)
    monkeypatch.setattr("diffio_watch.daemon.web.MOMENT", 0.01)
    monkeypatch.setattr("diffio_watch.daemon.seeking.MOMENT", 0.01)
    config = desk.config()
    desk.page.open(replace(config, web=replace(config.web, listen=f"studio.example:{desk.port}")))
    desk.page.start()
    try:
        while not desk.told("page.listening"):
            desk.look(20)
            time.sleep(0.01)  # the thread of a look-up has its turn
        pauses = [after - before for before, after in itertools.pairwise(asked)]
        assert all(after >= 2 * before >= 60 for before, after in itertools.pairwise(pauses))
        assert desk.ask("/healthz")["ok"] is True
    finally:
        never.set()


def test_an_address_that_a_reload_brings_has_to_be_there_and_one_that_it_found_missing_has_not(desk: Desk) -> None:
    """Else an outage of the network would keep a person from changing anything."""
    nowhere = 'webhook: {listen: "192.0.2.7:8480"}\n'
    desk.page.open(desk.config(rest=nowhere))
    desk.page.start()
    desk.look(1)
    assert unheard.last_known(desk.journal).keys() == {"webhook.listen"}
    desk.page.prepare(desk.config(web=', hosts: ["studio.example"]', rest=nowhere))
    desk.page.change()
    assert desk.ask("/healthz")["ok"] is True
    for elsewhere in (nowhere.replace("2.7", "2.8"), nowhere.replace("8480", "8481")):
        with pytest.raises(CannotRun, match="does not have that address"):
            desk.page.prepare(desk.config(rest=elsewhere))
    port = free_port()
    desk.page.prepare(desk.config(rest=f'webhook: {{listen: "127.0.0.1:{port}"}}\n'))
    desk.page.undo()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), PATIENCE)
    assert desk.ask("/healthz")["ok"] is True
    desk.page.prepare(desk.config())
    desk.page.change()
    desk.look(1)
    assert unheard.last_known(desk.journal) == {}


@pytest.mark.parametrize("given_up", ["refused", "undone", "the same"])
def test_whatever_becomes_of_a_reload_a_missing_address_is_still_sought(desk: Desk, given_up: str) -> None:
    with socket.create_server(("127.0.0.1", desk.port)):
        desk.page.open(desk.config())
        desk.page.start()
        desk.look(1)
        assert unheard.last_known(desk.journal).keys() == {"web.listen"}
        if given_up == "refused":
            with pytest.raises(CannotRun, match="does not have that address"):
                desk.page.prepare(desk.config(rest='webhook: {listen: "192.0.2.7:8480"}\n'))
        elif given_up == "undone":
            desk.page.prepare(desk.config(web=', hosts: ["studio.example"]'))
            desk.page.undo()
        else:
            desk.page.prepare(desk.config())
            desk.page.change()
        desk.look(40, 3)
        assert not desk.told("page.listening")
    _until(desk, lambda: desk.told("page.listening"))
    assert desk.ask("/healthz")["ok"] is True
    assert len(desk.told("page.unheard")) == 1


@pytest.fixture
def asked(desk: Desk) -> Iterator[Callable[[str], Future[tuple[int, Any]]]]:
    """Presses a button on a page that serves, and has its answer later."""
    def ask(command: str) -> tuple[int, Any]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", desk.port, timeout=PATIENCE)) as wire:
            wire.request("POST", "/api/requests", json.dumps({"command": command}), {
                "Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
            answer = wire.getresponse()
            return answer.status, json.loads(answer.read())

    desk.page.open(desk.config())
    desk.page.start()
    with ThreadPoolExecutor() as clicks:
        yield lambda command: clicks.submit(ask, command)


@pytest.mark.parametrize("reload", [True, False])
def test_a_click_that_waits_when_its_server_ends_hears_that_it_stands(
        desk: Desk, asked: Callable[[str], Future[tuple[int, Any]]], *, reload: bool) -> None:
    answer = asked("pause")
    _until(desk, desk.journal.requests.unanswered)
    if reload:
        desk.page.prepare(desk.config(web=', hosts: ["studio.example"]'))
        desk.page.change()
    else:
        desk.page.stop()
    status, told = answer.result(PATIENCE)
    assert (status, told["done"]) == (202, False)
    assert "The request stands" in told["lines"][0]
    assert [request.command for request in desk.journal.requests.unanswered()] == ["pause"]


def test_a_click_that_nothing_is_known_of_when_its_server_ends_is_answered_in_words(
        desk: Desk, asked: Callable[[str], Future[tuple[int, Any]]]) -> None:
    """No error of this program: it is 503 as whenever something does not come in time."""
    with contextlib.closing(sqlite3.connect(desk.root / "state" / "journal.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = asked("pause")
        _until(desk, lambda: [one for one in threading.enumerate() if one.name == "page-ask"])
        desk.page.stop()
        status, told = answer.result(PATIENCE)
    assert status == 503
    assert "Ask again" in told["error"]
    assert not desk.told("page.broke")


def _until(desk: Desk, holds: Callable[[], object]) -> None:
    """Have the main loop look until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, desk.out.getvalue()
        desk.look(1)
        time.sleep(0.02)


@pytest.mark.parametrize("change", ["hosts", "webhook"])
def test_a_page_whose_settings_change_is_replaced(desk: Desk, change: str) -> None:
    desk.page.open(desk.config())
    desk.page.start()
    before = _threads()
    (desk.root / "secret").write_text("whsec_" + "A" * 32)
    desk.page.prepare(desk.config(web=', hosts: ["studio.example"]') if change == "hosts" else
                      desk.config(rest=f"webhook: {{secret_file: {desk.root}/secret}}\n"))
    desk.page.change()
    assert _threads() != before
    assert desk.ask("/healthz")["ok"] is True
