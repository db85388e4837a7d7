"""The real daemon tells people: real mail, a real web hook, and whatever hangs there hangs alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from receivers import Receiver, mail_server, receiver
from sounds import sound
from whole_studio import Studio, until

from diffio_watch.daemon import daemon, telling
from diffio_watch.daemon.daemon import Daemon
from diffio_watch.job import State
from diffio_watch.pipeline.dispatch import Dispatcher
from diffio_watch.pipeline.file_calls import PATIENCE
from diffio_watch.sandbox import Sandbox
from diffio_watch.service.notices import heartbeat, notifier


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with Sandbox(seconds=0.1) as service:
        made = Studio(tmp_path, service)
        yield made
        made.close()


def drop(studio: Studio, name: str, content: bytes | None = None) -> None:
    (studio.inbox() / name).write_bytes(sound(name) if content is None else content)


def test_mail_and_web_hook_get_what_failed_and_jobs_go_on(studio: Studio, web: Receiver) -> None:
    with mail_server() as box:
        studio.config["notify"] = {"urls": [web.url(), box.url()], "events": ["failed", "delivered"]}
        studio.start()
        drop(studio, "picture.wav", b"no sound at all" * 100)
        until(lambda: web.bodies and box.mails, what=studio.told)
        drop(studio, "good.wav")
        until(lambda: studio.counts()[State.DELIVERED] == 1, what=studio.told)
    assert web.subjects == ["podcasts: picture.wav was not restored"]
    assert [mail["Subject"] for mail in box.mails] == web.subjects
    assert "No audio or video was found" in web.bodies[0]["message"]
    until(lambda: studio.events("notice.sent"), what=studio.told)  # once the child has ended
    assert [event["addresses"] for event in studio.events("notice.sent")] == [2]


@pytest.mark.slow
def test_five_hundred_failures_are_two_messages_whatever_restarts_meanwhile(studio: Studio, web: Receiver) -> None:
    studio.config["notify"] = {"urls": [web.url()]}
    studio.config["limits"] = {"approve_over_files": None}
    studio.start()
    for number in range(500):
        drop(studio, f"{number}.wav", b"no sound at all, by no means %d" % number)
        if number == 250:
            until(lambda: web.bodies, what=studio.told)
            studio.restart()
    until(lambda: studio.counts()[State.FAILED] == 500, seconds=60, what=studio.told)
    studio.restart()
    for _ in range(16):
        studio.skip(PATIENCE * 2 / 3)
    until(lambda: len(web.bodies) == 2, what=studio.told)
    studio.restart()
    assert studio.stop() == 0
    assert len(web.bodies) == 2, (web.subjects, studio.told())
    with studio.journal() as journal:
        assert sum(one.events for one in journal.notices.latest()) == 500


@pytest.mark.slow
def test_one_that_hangs_delays_nothing_and_a_kill_meanwhile_repeats_nothing(studio: Studio, web: Receiver) -> None:
    web.hold.set()
    studio.config["notify"] = {"urls": [web.url()]}
    studio.launch()
    drop(studio, "picture.wav", b"no sound at all" * 100)
    until(lambda: web.asked, what=studio.told)
    drop(studio, "good.wav")
    until(lambda: studio.counts()[State.DELIVERED] == 1, what=studio.told)
    studio.kill()
    web.hold.clear()
    studio.launch()
    until(lambda: studio.events("notice.cut_off"), what=studio.told)
    drop(studio, "better.wav")
    until(lambda: studio.counts()[State.DELIVERED] == 2, what=studio.told)
    assert (studio.end()[0], len(web.asked)) == (0, 1)


@pytest.mark.slow
def test_while_a_message_hangs_the_daemon_ends_in_time(studio: Studio, web: Receiver) -> None:
    web.hold.set()
    studio.config["notify"] = {"urls": [web.url()]}
    studio.launch()
    drop(studio, "picture.wav", b"no sound at all" * 100)
    until(lambda: web.asked, what=studio.told)
    assert studio.end()[0] == 0
    with studio.journal() as journal:
        (notice,) = journal.notices.latest()
    assert [one.ok for one in notice.results] == [None]


def test_a_reload_takes_other_addresses_and_the_file_is_read_again(studio: Studio, web: Receiver) -> None:
    file = studio.base / "urls"
    file.write_text("# nobody yet\n")
    studio.start()
    drop(studio, "early.wav", b"no sound at all" * 100)
    until(lambda: studio.counts()[State.FAILED] == 1, what=studio.told)
    studio.reload(notify={"urls_file": str(file)})
    until(lambda: studio.events("notices.limited"), what=studio.told)
    file.write_text(web.url() + "\n")
    studio.reload_as_it_is()
    drop(studio, "late.wav", b"nothing to hear" * 100)
    until(lambda: web.bodies, what=studio.told)
    assert web.subjects == ["podcasts: late.wav was not restored"]
    assert web.url() not in studio.log_file.read_text()


def test_an_outage_and_its_end_are_told(studio: Studio, web: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.config["notify"] = {"urls": [web.url()]}
    studio.start()
    studio.service.change(account="billing")
    drop(studio, "a.wav")
    until(lambda: web.bodies, what=studio.told)
    assert web.subjects[0].startswith("Restoring stands still. The service has a billing hold")


@pytest.mark.slow
def test_once_tells_all_before_it_ends(studio: Studio, web: Receiver) -> None:
    """Cron's next run may be tomorrow's."""
    studio.config["notify"] = {"urls": [web.url()], "heartbeat": web.url("beat", "http")}
    for number in range(3):
        drop(studio, f"{number}.wav", b"no sound at all" * (100 + number))
    process = studio.launch("once")
    assert process.wait(30) == 1
    assert sum(body["title"].count("restored") for body in web.bodies) in {1, 2}
    assert web.asked.count(("GET", "/beat")) == 1
    kept = [studio.log_file, *(path for path in studio.state.rglob("*") if path.is_file())]
    assert b"secret-token" in studio.config_file.read_bytes()
    assert not [path for path in kept if b"secret-token" in path.read_bytes()]
    with studio.journal() as journal:
        assert sum(one.events for one in journal.notices.latest()) == 3


class Broken(Exception):
    """A fault of this program."""


def test_a_fault_in_telling_is_told_and_jobs_go_on(studio: Studio, web: Receiver,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise Broken("of this test")

    monkeypatch.setattr(notifier.Notifier, "_gather", broken)
    studio.config["notify"] = {"urls": [web.url()]}
    studio.start()
    drop(studio, "good.wav")
    until(lambda: studio.counts()[State.DELIVERED] == 1 and studio.events("notices.broke"), what=studio.told)
    assert studio.stop() == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is what dies here
def test_a_thread_that_died_is_told_and_started_anew(studio: Studio, web: Receiver,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    def died(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(notifier.Notifier, "look", died)
        studio.config["notify"] = {"urls": [web.url()]}
        studio.start()
        until(lambda: studio.events("notices.ended"), what=studio.told)
    drop(studio, "picture.wav", b"no sound at all" * 100)
    until(lambda: web.bodies, what=studio.told)
    assert studio.stop() == 0


def freeze(loop: str, gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a loop stand still from now on, until the gate is opened."""
    owner, name = {"the dispatcher": (Dispatcher, "round"), "the main thread": (Daemon, "_tend")}[loop]
    real = getattr(owner, name)

    def frozen(self: Any, *args: Any) -> Any:
        gate.wait(30)
        return real(self, *args)

    monkeypatch.setattr(owner, name, frozen)


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["the dispatcher", "the main thread"])
def test_the_heartbeat_stops_when_a_loop_freezes(studio: Studio, web: Receiver, loop: str,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it is to know, although the process is there and this thread of it works."""
    looks: list[float] = []
    real = notifier.Notifier.look

    def counted(self: notifier.Notifier, now: float, steady: float) -> None:
        real(self, now, steady)
        looks.append(steady)

    monkeypatch.setattr(notifier.Notifier, "look", counted)
    monkeypatch.setattr(heartbeat, "_EVERY", 0.2)
    monkeypatch.setattr(heartbeat, "_FIRST", 0.2)
    monkeypatch.setattr(notifier, "_TICK", 0.05)
    for module in (telling, daemon):
        monkeypatch.setattr(module, "_STALLED", 2.0)
    studio.config["notify"] = {"heartbeat": web.url(kind="http")}
    studio.start()
    until(lambda: len(web.asked) >= 2, what=studio.told)
    gate = threading.Event()
    freeze(loop, gate, monkeypatch)
    try:
        assert studio._daemon is not None
        known = studio._daemon._telling
        assert known is not None
        until(lambda: not known._moving(), what=studio.told)
        looked, asked = len(looks), len(web.asked)
        until(lambda: len(looks) > looked + 20, what=studio.told)
        assert len(web.asked) <= asked + 1  # one may have been on its way
    finally:
        gate.set()
    asked = len(web.asked)
    until(lambda: len(web.asked) > asked + 1, what=studio.told)
    assert studio.stop() == 0
