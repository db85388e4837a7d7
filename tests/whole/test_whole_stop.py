"""SIGTERM and Ctrl-C end the daemon in any state, whatever it waits for, and its journal and folders are its alone."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sounds import sound
from whole_studio import MakeStudio, Studio, until

from diffio_watch.journal import Journal
from diffio_watch.journal.opening import FILE


def fault(call: str, kind: str, **how: object) -> Callable[[Studio], None]:
    def make(studio: Studio) -> None:
        studio.service.fault(call, kind, **how)  # type: ignore[arg-type]  # kinds are words

    return make


def slow_service(studio: Studio) -> None:
    studio.service.change(seconds=3600)


def throttled_put(studio: Studio) -> None:
    studio.service.change(upload="put")
    studio.service.fault("put", "throttle", rate=1000)


def calls(name: str) -> Callable[[Studio], bool]:
    return lambda studio: bool(studio.service.seen(name))


def idle(studio: Studio) -> bool:
    return studio.states() == {"a.wav": "delivered"}


def waiting(studio: Studio) -> bool:
    return studio.states() == {"a.wav": "waiting"}


# what is done to the service, and how it is seen that the daemon is in the state
STATES: dict[str, tuple[Callable[[Studio], None], Callable[[Studio], bool]]] = {
    "idle": (lambda _: None, idle),
    "waiting": (slow_service, waiting),
    "creating a project": (fault("create_project", "stall"), calls("create_project")),
    "a throttled PUT": (throttled_put, calls("put")),
    "a stalled part": (fault("part", "stall"), calls("part")),
    "a long delay": (fault("complete", "delay", seconds=600), calls("complete")),
    "generating": (fault("generate", "stall"), calls("generate")),
    "a stalled download": (fault("download", "stall", at=1000), calls("download")),
    "a throttled download": (fault("download", "throttle", rate=1000), calls("download")),
    "a service that is down": (fault("*", "reset"), lambda studio: "a.wav" in studio.states()
                               and studio.states()["a.wav"].endswith("service_error")),
    "a request to wait": (fault("create_project", "status", status=429, headers={"Retry-After": "600"}),
                          calls("create_project")),
}


QUICK = ("idle", "waiting", "a stalled part", "a request to wait")


@pytest.mark.parametrize("state", [state if state in QUICK else pytest.param(state, marks=pytest.mark.slow)
                                   for state in STATES])
def test_the_daemon_ends_in_time_whatever_it_is_at(state: str, studio: Studio) -> None:
    prepare, reached = STATES[state]
    number = (signal.SIGTERM, signal.SIGINT)[list(STATES).index(state) % 2]
    prepare(studio)
    (studio.inbox() / "a.wav").write_bytes(sound("a", 30))
    studio.launch()
    until(lambda: studio.log_file.read_text() and studio.reports() and reached(studio), 30, studio.told)
    assert studio.end(number)[0] == 0, studio.told()
    log = studio.log_file.read_text()
    assert "Traceback" not in log
    assert all(line.startswith("{") for line in log.splitlines()), log  # quiet: nothing but its log


def test_it_ends_in_time_while_a_file_is_still_written(studio: Studio) -> None:
    with (studio.inbox() / "a.wav").open("wb") as file:
        file.write(sound("a"))
        file.flush()
        studio.launch()
        until(lambda: studio.reports() and studio.settling() == {"a.wav": "open_for_writing"}, what=studio.told)
        assert studio.end()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_while_another_program_keeps_the_journal_busy(number: signal.Signals, studio: Studio) -> None:
    process = studio.launch()
    until(lambda: "podcasts" in studio.reports(), what=studio.told)
    for name in ("a.wav", "b.wav"):
        (studio.inbox() / name).write_bytes(sound(name))
    with studio.journal() as reader:
        db = sqlite3.connect(studio.state / FILE, isolation_level=None)
        with Journal.open(studio.state) as asking:
            asked = asking.requests.ask("pause", {})
        db.execute("BEGIN IMMEDIATE")
        threads = Path(f"/proc/{process.pid}/task")
        until(lambda: any("nanosleep" in file.read_text() for file in threads.glob("*/wchan")))  # one waits for SQLite
        assert reader.requests.answer_of(asked) is None
        assert studio.end(number)[0] in {0, 1}
        db.close()
    studio.launch()
    until(lambda: studio.json("status")["paused"] == ["podcasts"])
    assert studio.command("resume")[0] == 0
    studio.wait("a.wav", "b.wav")
    assert studio.end()[0] == 0
    assert studio.service.charges == 2


def test_a_second_daemon_on_the_journal_names_the_first(make_studio: MakeStudio, studio: Studio) -> None:
    first = studio.launch()
    until(lambda: studio.events("daemon.started"), what=studio.told)
    for command, code in (("run", 2), ("once", 0)):
        second = studio.launch(command)
        assert second.wait(20) == code
    assert f"(process {first.pid})" in studio.log_file.read_text()
    studio.process = first
    assert studio.end()[0] == 0


def test_an_inbox_of_another_journal_is_refused_naming_it(make_studio: MakeStudio, studio: Studio) -> None:
    studio.launch()
    until(lambda: studio.events("daemon.started"), what=studio.told)
    with studio.journal() as journal:
        owner = journal.id
    other = make_studio("other")
    other.inbox().rmdir()
    other.inbox().symlink_to(studio.inbox())
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    process = other.launch()
    assert process.wait(20) == 2
    assert owner in other.log_file.read_text()
    assert "is at work there" in other.log_file.read_text()
    studio.wait("a.wav")  # the first goes on undisturbed
    assert studio.end()[0] == 0
    assert studio.service.charges == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_ends_it_quietly(number: signal.Signals, studio: Studio, tmp_path: Path) -> None:
    studio.launch(forked=False)
    until((studio.state / "lock").exists)
    code, _ = studio.end(number)
    assert "Traceback" not in studio.log_file.read_text(), studio.log_file.read_text()
    assert code in {0, 130, -number}
