"""SIGHUP: the configuration is read again while the daemon works; a bad one is refused and nothing stops."""

from __future__ import annotations

import contextlib
import http.client
import os
import pty
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from sounds import sound
from whole_studio import LONG, MakeStudio, until

from diffio_watch.journal import Journal, JournalTrouble, runs, sessions
from diffio_watch.pipeline.halts import Halts
from diffio_watch.sandbox import Sandbox


def test_an_inbox_that_is_added_starts_and_one_that_is_removed_stops(make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes={"podcasts": {}, "film": {}})
    studio.start()
    studio.inboxes = {"film": {}, "radio": {}}
    studio.reload()
    (told,) = studio.events("config.reloaded")
    assert told["changes"] == ["inbox podcasts: removed", f"inbox radio: added, {studio.inbox('radio')}"]
    (studio.inbox("radio") / "new.wav").write_bytes(sound("new"))
    (studio.inbox("film") / "old.wav").write_bytes(sound("old"))
    (studio.inbox("podcasts") / "left.wav").write_bytes(sound("left"))
    studio.wait("new.wav", name="radio")
    studio.wait("old.wav", name="film")
    assert studio.states("podcasts") == {}
    until(lambda: not any(thread.name.endswith("-podcasts") for thread in threading.enumerate()))


def test_jobs_that_are_journalled_keep_their_settings_and_later_ones_have_the_new(make_studio: MakeStudio,
                                                                                  service: Sandbox) -> None:
    service.change(seconds=LONG)
    studio = make_studio()
    studio.start()
    (studio.inbox() / "before.wav").write_bytes(sound("before"))
    studio.wait("before.wav", state="waiting")
    studio.inboxes = {"podcasts": {"model": "diffio-4.6-pro", "output_name": "{stem}.clean{ext}"}}
    studio.reload(limits={"uploads": 7, "downloads": 1})
    (told,) = studio.events("config.reloaded")
    assert told["changes"] == [
        "limits.uploads: 4 -> 7", "limits.downloads: 4 -> 1",
        'inbox podcasts: model: "diffio-4.6-flash" -> "diffio-4.6-pro"',
        'inbox podcasts: output_name: "{stem}.restored{ext}" -> "{stem}.clean{ext}"']
    (studio.inbox() / "after.wav").write_bytes(sound("after"))
    studio.wait("after.wav", state="waiting")
    studio.ready()
    studio.wait("before.wav", "after.wav")
    assert {"before.restored.wav", "after.clean.wav"} <= studio.visible()
    assert studio.job("before.wav").settings.model == "diffio-4.6-flash"
    assert studio.job("after.wav").settings.model == "diffio-4.6-pro"
    assert service.charges == 2


@pytest.mark.parametrize(("text", "word"), [
    ("inboxes: [", "YAML"), ("inboxes: []\n", "inboxes"), ("", "empty"), (None, "can't be read"),
])
def test_a_bad_configuration_is_refused_in_words_and_what_was_in_force_stays(
        make_studio: MakeStudio, text: str | None, word: str) -> None:
    studio = make_studio()
    studio.start()
    good = studio.config_file.read_text()
    if text is None:
        studio.config_file.unlink()
    else:
        studio.config_file.write_text(text)
    studio.reload_as_it_is()
    (told,) = studio.events("config.refused")
    assert word in told["message"]
    assert told["level"] == "error"
    assert "exception" not in told
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.wait("a.wav")
    with studio.journal() as journal:
        newer = runs.newer(runs.in_force(journal), runs.last(journal))
    assert newer is not None
    assert "stays in force" in newer
    studio.config_file.write_text(good)
    studio.reload_as_it_is()
    assert studio.json("status")["config"]["newer"] is None


def test_a_folder_that_a_start_would_refuse_is_refused_then_too(make_studio: MakeStudio) -> None:
    other = make_studio("other")
    other.start()
    assert other.stop() == 0
    studio = make_studio()
    studio.start()
    studio.inboxes = {"podcasts": {}, "theirs": {"path": str(other.inbox()), "outbox": str(other.outbox())}}
    studio.reload()
    (told,) = studio.events("config.refused")
    assert "belongs to another journal" in told["message"]
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.wait("a.wav")


def test_a_missing_key_and_a_new_name_for_an_inbox_are_refused(make_studio: MakeStudio) -> None:
    studio = make_studio()
    studio.start()
    studio.reload(api={"key_file": "/nowhere/key"})
    path, outbox = str(studio.inbox()), str(studio.outbox())
    studio.inboxes = {"radio": {"path": path, "outbox": outbox}}
    studio.reload(api={})
    assert ["API key" in told["message"] or "takes a restart" in told["message"]
            for told in studio.events("config.refused")] == [True, True]


def test_status_says_that_the_file_is_newer_until_it_is_in_force(make_studio: MakeStudio) -> None:
    studio = make_studio()
    studio.start()
    assert studio.json("status")["config"]["newer"] is None
    os.utime(studio.config_file)  # touched, not changed
    assert studio.json("status")["config"]["newer"] is None
    studio.config["limits"] = {"in_flight": 3}
    studio.configure()
    told = studio.json("status")["config"]["newer"]
    assert f"kill -HUP {os.getpid()}" in told
    assert told in " ".join(studio.command("status")[1].split())
    studio.reload_as_it_is()
    assert studio.json("status")["config"]["newer"] is None
    studio.config["state_dir"] = str(studio.base / "elsewhere")
    studio.configure()
    studio.reload_as_it_is()
    assert studio.events("config.reloaded")[-1]["changes"] == ["state_dir: takes a restart"]
    with studio.journal() as journal:
        told = runs.newer(runs.in_force(journal), None)
    assert told is not None
    assert "restart" in told


def test_an_upload_under_way_goes_on_when_its_inbox_changes_or_goes(make_studio: MakeStudio, service: Sandbox) -> None:
    """A job on its way rests before it meets another configuration."""
    service.change(seconds=LONG)
    studio = make_studio(inboxes={"podcasts": {}, "film": {}})
    studio.start()
    for name in studio.inboxes:
        (studio.inbox(name) / "a.wav").write_bytes(sound(name))
        studio.wait("a.wav", state="waiting", name=name)
    outbox = studio.base / "elsewhere"
    outbox.mkdir()
    studio.inboxes = {"podcasts": {"outbox": str(outbox)}}
    studio.reload(generation={"poll": {"first": "100ms", "max": "200ms"}})
    studio.ready()
    assert studio.stop() == 0
    assert not studio.events("daemon.broke")
    assert not studio.events("job.step_failed")


@pytest.mark.slow
def test_signals_do_what_people_expect(make_studio: MakeStudio, manager: Manager) -> None:
    """SIGHUP reads again, other strays do nothing, and the service manager is told in words."""
    studio = make_studio()
    process = studio.launch(NOTIFY_SOCKET=str(manager.path))
    until(lambda: "READY=1" in manager.told(), what=studio.told)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE, signal.SIGVTALRM, signal.SIGPROF):
        process.send_signal(number)
    process.send_signal(signal.SIGHUP)
    until(lambda: studio.events("config.reloaded"), what=studio.told)
    until(lambda: manager.told().count("READY=1") == 2, what=manager.told)
    assert process.poll() is None
    (begun,) = [one for one in manager.told() if one.startswith("RELOADING=1")]
    assert begun.partition("\nMONOTONIC_USEC=")[2].isdigit()
    studio.config_file.write_text("inboxes: 5")
    process.send_signal(signal.SIGHUP)
    until(lambda: any(one.startswith("STATUS=Its new configuration was refused") for one in manager.told()),
          what=manager.told)
    assert studio.end(signal.SIGQUIT)[0] == 0
    assert "STOPPING=1" in manager.told()
    with studio.journal() as journal:
        run = runs.last(journal)
    assert run is not None
    assert (run.pid, run.code, run.why) == (process.pid, 0, "It was told to stop (SIGQUIT).")
    assert f"run -c {studio.config_file}" in run.command


def _fails_once(monkeypatch: pytest.MonkeyPatch, home: object, name: str) -> threading.Event:
    """Have the journal take nothing the first time that this is called; the event says that it was."""
    failed, real = threading.Event(), getattr(home, name)

    def full(*arguments: Any) -> Any:
        if failed.is_set():
            return real(*arguments)
        failed.set()
        raise JournalTrouble("The disk is full.", fatal=False)

    monkeypatch.setattr(home, name, full)
    return failed


def _reloads(manager: Manager) -> list[str]:
    """What the service manager was told of them."""
    return [one.partition("=")[0] for one in manager.told() if one.startswith(("READY", "RELOADING"))]


@pytest.mark.parametrize(("home", "name", "reads"), [
    (runs, "put_in_force", 2), (sessions, "ended", 2), (Halts, "tidy_inboxes", 1), (Halts, "ask_now", 1),
])
def test_a_reload_that_the_journal_does_not_take_is_done_once_it_does(
        make_studio: MakeStudio, manager: Manager, monkeypatch: pytest.MonkeyPatch, home: object, name: str,
        reads: int) -> None:
    """Nothing of it is lost, nor half in force; the service manager hears of its end either way."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    studio = make_studio(web={"listen": "127.0.0.1:0"})
    studio.start()
    until(lambda: studio.events("page.listening"), what=studio.told)
    failed = _fails_once(monkeypatch, home, name)
    studio.inboxes["radio"] = {}
    port = free_port()
    studio.reload(web={"listen": f"127.0.0.1:{port}"}, api={"read_timeout": "50s"})
    until(lambda: studio.events("journal.resumed"), what=studio.told)
    assert failed.is_set()
    until(lambda: _reloads(manager) == ["READY", *["RELOADING", "READY"] * reads], what=manager.told)
    assert len(studio.events("config.waits")) == reads - 1
    (told,) = studio.events("config.reloaded")
    assert f"inbox radio: added, {studio.inbox('radio')}" in told["changes"]
    (studio.inbox("radio") / "a.wav").write_bytes(sound("a"))
    studio.wait("a.wav", name="radio")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as wire:
        wire.request("GET", "/healthz")
        assert wire.getresponse().status == 200
    assert studio.stop() == 0


def test_a_refusal_that_the_journal_does_not_take_is_told_once_it_does(
        make_studio: MakeStudio, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    studio = make_studio()
    studio.start()
    _fails_once(monkeypatch, runs, "refuse")
    studio.config_file.write_text("inboxes: 5")
    studio.reload_as_it_is()
    until(lambda: _reloads(manager) == ["READY", *["RELOADING", "READY"] * 2], what=manager.told)
    with studio.journal() as journal:
        known = runs.in_force(journal)
    assert known is not None
    assert "inboxes" in known.refused
    assert studio.stop() == 0


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_its_daemon_in_order(make_studio: MakeStudio) -> None:
    studio = make_studio()
    studio.configure()
    pid, terminal = pty.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started the tests with `nohup` ignores it
            os.chdir(studio.base)
            os.execv(sys.executable, [sys.executable, "-m", "diffio_watch", "run", "-c", str(studio.config_file)])
        os._exit(9)
    until(studio.reports, what=lambda: os.read(terminal, 65536))
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    with studio.journal() as journal:
        run = runs.last(journal)
    assert run is not None
    assert run.why == "It was told to stop (SIGHUP)."


def test_the_journal_knows_how_the_last_daemon_ended(make_studio: MakeStudio) -> None:
    studio = make_studio()
    studio.start()
    with studio.journal() as journal:
        run = runs.last(journal)
    assert run is not None
    assert run.ended_at is None
    assert "did not end in order" in runs.how_it_ended(run)  # as one says who finds no daemon now
    assert "machine was started anew" in runs.how_it_ended(replace(run, boot="another"))
    assert studio.stop() == 0
    with studio.journal() as journal:
        run = runs.last(journal)
    assert run is not None
    assert runs.how_it_ended(run).endswith(": It was told to stop.")
    studio.start()
    assert not studio.events("daemon.was_cut_off")
    with studio.journal() as journal:
        cut_off = journal.meta("run")
    assert studio.stop() == 0
    with Journal.open(studio.state) as journal:
        journal.set_meta("run", cut_off)  # as a kill leaves it
    studio.start()
    assert studio.stop() == 0
    (told,) = studio.events("daemon.was_cut_off")
    assert "did not end in order" in told["message"]
    (studio.base / "key").unlink()
    studio.start()
    assert studio.stop() == 2
    with studio.journal() as journal:
        run = runs.last(journal)
    assert run is not None
    assert run.code == 2
    assert "API key" in runs.how_it_ended(run)


def test_a_journal_removed_under_the_daemon_ends_it_in_its_sentence(make_studio: MakeStudio) -> None:
    studio = make_studio()
    studio.start()
    for path in studio.state.glob("journal.sqlite3*"):
        path.unlink()
    until(lambda: not studio._running(), what=studio.told)
    assert studio.stop() == 1
    (told,) = studio.events("journal.refused")
    assert "was removed or replaced" in told["message"]
    assert "Traceback" not in studio.log_file.read_text()


class Manager:
    """Stands where systemd's socket is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._told: list[str] = []

    def told(self) -> list[str]:
        """Every datagram so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._told.append(self._socket.recv(65536).decode())
        return self._told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def test_what_is_under_way_to_one_service_never_takes_the_key_of_another_along(
        make_studio: MakeStudio, service: Sandbox, tmp_path: Path) -> None:
    """Another service with another key: the upload that is under way ends with the key that it began with."""
    service.change(upload="multipart", keys=["key-of-the-studio"])
    service.fault("part", "delay", seconds=2, times=1)
    studio = make_studio()
    studio.start()
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    until(lambda: "part" in service.calls)
    (tmp_path / "other").touch(0o600)
    (tmp_path / "other").write_text("key-of-the-other-service")
    with Sandbox(seconds=0, keys=["key-of-the-other-service"]) as other:
        studio.reload(api={"base_url": other.base_url, "key_file": str(tmp_path / "other")})
        studio.wait("a.wav")
        assert "complete_project_upload" in service.calls
        assert "key-of-the-other-service" not in service._state.keys
        assert "key-of-the-studio" not in other._state.keys
        assert studio.events("work.halted") == []
        assert (service.charges, other.charges) == (0, 1)


def test_another_key_or_service_ends_at_once_what_the_old_one_had_halted(
        make_studio: MakeStudio, service: Sandbox, tmp_path: Path) -> None:
    """Whoever mends what the halt told of does not wait for its next probe, which may be an hour away."""
    service.change(keys=["another-key"])
    studio = make_studio()
    studio.start()
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    until(lambda: studio.events("work.halted"), what=studio.told)
    (tmp_path / "other").touch(0o600)
    (tmp_path / "other").write_text("another-key")
    studio.reload(api={"key_file": str(tmp_path / "other")})
    studio.wait("a.wav")
    assert service.charges == 1
