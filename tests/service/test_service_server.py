"""The server itself: where it listens, whom it bears with, and how it ends."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from service_page import BEARER, PATIENCE, TOKEN, Place, page, read_answer, request

from diffio_watch.journal.records import InboxReport
from diffio_watch.reasons import because
from diffio_watch.service import events, server, snapshot
from diffio_watch.service.health import healthy
from diffio_watch.service.pulse import Pulse
from diffio_watch.service.site import Site
from diffio_watch.service.snapshot import Snapshot
from diffio_watch.service.sockets import CannotListen, Held
from diffio_watch.service.threads import Threads
from diffio_watch.service.token import BadToken, TokenFile, read_token


def _until(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def _ended() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name == "page"]


def _stream(place: Place) -> socket.socket:
    wire = place.connect()
    wire.sendall(request("GET", "/api/events", {"Host": "localhost"}))
    got = b""
    while b"event: screen" not in got:
        got += wire.recv(65536)
    return wire


def test_it_ends_with_two_hundred_streams_open_and_tells_nothing_of_it(
        place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    wires = [_stream(place) for _ in range(200)]
    place.web.stop()
    _until(_ended)
    for wire in wires:
        rest = b""
        while piece := wire.recv(65536):
            rest += piece
        assert rest.endswith(b"0\r\n\r\n"), "each stream came to its end"
        wire.close()
    assert capfd.readouterr() == ("", "")
    assert all('"level": "info"' in line for line in place.log.read_text().splitlines())


def test_it_ends_with_clients_that_read_nothing_and_with_requests_that_never_came_whole(place: Place) -> None:
    wires = [place.connect() for _ in range(20)]
    for number, wire in enumerate(wires):
        wire.sendall([b"GET /api/ev", b"", request("GET", "/api/events", {"Host": "localhost"}),
                      (b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      b"Content-Length: 99\r\n\r\n{")][number % 4])
    assert place.get("/api/status").status == 200
    place.web.stop()
    _until(_ended)
    for wire in wires:
        wire.close()


def test_no_more_connections_than_there_is_room_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 5)
    wires = [wire for _ in range(9) if (wire := _connected(place)) is not None]
    _until(lambda: sum(map(_stays, wires)) == 5)
    for wire in filter(_stays, wires):
        wire.settimeout(PATIENCE)
        wire.sendall(request("GET", "/healthz", {"Host": "localhost"}))
        assert read_answer(wire).status == 200
        wire.close()
    _until(lambda: _answers(place))


def _connected(place: Place) -> socket.socket | None:
    """A connection; None where the other side was so quick to end it that it never was one."""
    try:
        return place.connect()
    except ConnectionResetError:
        return None


def _stays(wire: socket.socket) -> bool:
    """Whether the other side has not ended a connection, on which nothing was said; else it is closed."""
    if wire.fileno() < 0:
        return False
    wire.settimeout(0)
    try:
        assert wire.recv(1) == b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    wire.close()
    return False


def _answers(place: Place) -> bool:
    try:
        return place.get("/api/status").status == 200
    except (ConnectionResetError, IndexError):
        return False


def test_who_says_nothing_is_not_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_REQUEST", 0.2)
    for sent in (b"", b"GET /api/status HT"):
        with place.connect() as wire:
            wire.sendall(sent)
            with contextlib.suppress(ConnectionResetError):
                assert wire.recv(1) == b""


def test_a_client_that_does_not_read_is_dropped_and_all_others_are_told_on(
        place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_EVERY", 0.01)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", place.port))
    slow.sendall(request("GET", "/api/events", {"Host": "localhost"}))
    quick = _stream(place)
    ended = threading.Event()

    def read() -> None:
        while quick.recv(1 << 20):
            pass
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    jobs = [place.add(f"{number}/{'/'.join(['x' * 200] * 20)}.wav").id for number in range(200)]
    end = time.monotonic() + 30
    while not _reset(slow):
        place.journal.jobs.remark(jobs, "something")
        assert time.monotonic() < end, "it got no end"
        time.sleep(0.01)
    assert not ended.is_set(), "and nobody else did"
    place.web.stop()
    reader.join(10)
    slow.close()
    quick.close()


def _reset(wire: socket.socket) -> bool:
    return bool(wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def test_what_happened_meanwhile_is_told_to_who_comes_back(place: Place) -> None:
    with _stream(place) as wire:
        job = place.add("a.wav")
        got = b""
        while b"event: jobs" not in got:
            got += wire.recv(65536)
    last = got.partition(b"id: ")[2].partition(b"\n")[0].decode()
    # somebody else looks on, so that it is told although nobody of these is there
    with _stream(place) as other:
        place.journal.jobs.remark([job.id], "something else")
        got = b""
        while b"event: jobs" not in got:
            got += other.recv(65536)
        assert job.id.encode() in _first_jobs(place, last)
        assert b'"changed": [], "more": true' in _first_jobs(place, "0badc0de-7"), "of another time: read all anew"


def _first_jobs(place: Place, last: str) -> bytes:
    with place.connect() as wire:
        wire.sendall(request("GET", "/api/events", {"Host": "localhost", "Last-Event-ID": last}))
        got = b""
        while b"event: jobs" not in got or not got.endswith(b"\n\n\r\n"):
            got += wire.recv(65536)
        return got.partition(b"event: jobs")[2]


# where it listens


def test_a_unix_socket_is_its_users_and_its_groups(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with page(tmp_path, address=f"unix:{path}") as place:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert place.get("/api/status", {"X-Forwarded-For": "10.0.0.1"}).status == 200, "its mode says who may"
        assert place.post("/api/requests", {"command": "pause", "args": {}}).status == 401
        assert place.post("/api/requests", {"command": "pause", "args": {}}, BEARER).status == 200
    assert not path.exists()


def test_a_socket_that_was_left_over_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(os.fspath(path))
    left.close()
    held = Held.of({"web.listen": f"unix:{path}"})
    with pytest.raises(CannotListen, match="another program listens"):
        Held.of({"web.listen": f"unix:{path}"})
    assert path.exists()
    held.close()
    path.write_text("a file")
    with pytest.raises(CannotListen, match="is no socket"):
        Held.of({"web.listen": f"unix:{path}"})
    assert path.read_text() == "a file"
    with pytest.raises(CannotListen, match="RuntimeDirectory"):
        Held.of({"web.listen": "unix:/nowhere/at/all.sock"})


def test_an_address_that_is_taken_is_told_in_a_sentence() -> None:
    held = Held.of({"web.listen": "127.0.0.1:0"})
    port = held.sockets("web.listen")[0].getsockname()[1]
    with pytest.raises(CannotListen, match=f"`web.listen`: 127.0.0.1:{port} can't be listened at: Address already"):
        Held.of({"web.listen": f"127.0.0.1:{port}"})
    with pytest.raises(CannotListen, match=r"has no address no-such-host\.invalid"):
        Held.of({"web.listen": "no-such-host.invalid:1"})
    held.close()


def test_an_address_stays_listened_at_while_its_server_is_replaced() -> None:
    before = Held.of({"web.listen": "127.0.0.1:0"})
    after = Held.of({"webhook.listen": "127.0.0.1:0"}, before)
    assert after.sockets("webhook.listen") == before.sockets("web.listen")
    before.close(but=after)
    with socket.create_connection(after.sockets("webhook.listen")[0].getsockname(), 5):
        pass
    after.close()


# a process that gets a socket as systemd hands it over: open at descriptor 3, which in this one is somebody else's
_HANDED_OVER = """
import os, socket, sys
from diffio_watch.service import sockets

path, names, address = sys.argv[1:]
one = socket.socket(socket.AF_UNIX)
one.bind(path)
one.listen()
os.dup2(one.fileno(), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=names)
held = sockets.Held.of({"web.listen": address})
print(held.sockets("web.listen")[0].getsockname())
held.close()
os.environ["LISTEN_PID"] = "1"
print(sockets._descriptors())
"""


@pytest.mark.parametrize(("names", "address"), [("web.listen", "127.0.0.1:1"), ("unit.socket", "unix:{path}")])
def test_a_socket_of_systemds_is_taken_by_its_name_or_its_address(tmp_path: Path, names: str, address: str) -> None:
    path = tmp_path / "unit.sock"
    done = subprocess.run([sys.executable, "-c", _HANDED_OVER, path, names, address.format(path=path)],
                          capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [str(path), "{}"], f"what another was given is none of ours; {done.stderr}"
    assert path.exists(), "its file is the socket unit's"


# health


def test_health_is_that_the_loops_move() -> None:
    pulse = Pulse(at=100.0)
    assert healthy(pulse, 159.0)[0]
    assert healthy(pulse, 161.0) == (False, "Nothing has moved for 61 s.")


def test_health_and_readiness_are_told_to_every_monitor(place: Place) -> None:
    stranger = {"Host": "nas.example", "X-Forwarded-For": "10.0.0.1"}
    assert place.get("/healthz", stranger).json == {"ok": True, "words": "The loops move."}
    assert place.get("/readyz", stranger).status == 503, "no inbox was looked at yet"
    assert place.get("/readyz").json["words"] == ["The inbox podcasts is not looked at yet."]
    _report(place, available=False)
    answer = place.get("/readyz")
    assert answer.status == 200
    assert answer.json["degraded"]
    assert "podcasts" in answer.json["words"][0]
    assert place.get("/readyz", stranger).json == {"ready": True, "degraded": True}
    _report(place, available=True)
    assert place.get("/readyz").json["degraded"] is False


def _report(place: Place, *, available: bool) -> None:
    stopped = None if available else because("unavailable", detail="it is not mounted", inbox="podcasts")
    place.journal.inboxes.report(InboxReport("podcasts", available, "events", "ext4", 2.0, 1.0, stopped))


# the token


@pytest.mark.parametrize(("content", "mode", "words"), [
    (b"short", 0o600, "shorter than 16"), (b"two words that are long enough", 0o600, "no token"),
    ("ä-token-that-is-long-enough".encode(), 0o600, "no token"), (b"x" * 5000, 0o600, "no token"),
    (b"", 0o600, "shorter"), (TOKEN.encode(), 0o640, "Others can read"), (TOKEN.encode(), 0o604, "Others can read"),
])
def test_a_token_is_long_and_nobody_elses_to_read(tmp_path: Path, content: bytes, mode: int, words: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(BadToken, match=words):
        read_token(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(("owner", "group", "mode", "wrong"), [
    (0, 54321, 0o640, ""),  # an administrator's file, which the service reads by its own group
    (0, 54321, 0o644, "`chown 54321 {file} && chmod 600 {file}`"), (0, 54321, 0o660, "`chown 54321 {file}"),
    (0, 54322, 0o640, "`chown 54321 {file} && chmod 600 {file}`"),  # a group that it shares with people
    (54321, 54321, 0o640, "`chmod 600 {file}` ends that"),
])
def test_what_is_told_of_an_administrators_token_is_what_makes_it_right(
    owner: int, group: int, mode: int, wrong: str,
) -> None:
    """`chmod 600` on a file of root's would keep the service itself from reading it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "token"
        file.write_text(TOKEN)
        os.chown(file, owner, group)
        file.chmod(mode)
        told = _as_the_service(lambda: read_token(file))
    assert told == TOKEN if not wrong else wrong.format(file=file) in told


def _as_the_service(ask: Callable[[], str]) -> str:
    """What somebody of a group of his own, and of one of others, is told."""
    groups = os.getgroups()
    os.setgroups([54321, 54322])
    os.setegid(54321)
    os.seteuid(54321)
    try:
        return ask()
    except BadToken as error:
        return str(error)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_another_token_is_in_force_as_soon_as_it_stands_in_its_file(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token")
    assert file.look()
    assert file.token is None
    assert "openssl rand" in file.trouble
    assert not file.look()
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert file.look()
    assert [file.token, file.trouble] == [TOKEN, ""]
    assert not file.look()


def test_a_fifo_in_the_tokens_place_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token", 0o600)
    with pytest.raises(BadToken, match="is no file"):
        read_token(tmp_path / "token")


def test_a_session_ends_with_its_token(place: Place) -> None:
    cookie = {"Cookie": place.post("/api/login", {"token": TOKEN}).headers["set-cookie"].partition(";")[0],
              "X-Forwarded-For": "10.0.0.1"}
    assert place.get("/api/status", cookie).status == 200
    place.token_file.write_text("another-token-as-long")
    _until(lambda: place.get("/api/status", cookie).status == 401)


def test_whoever_logs_out_is_out(place: Place) -> None:
    cookie = {"Cookie": place.post("/api/login", {"token": TOKEN}).headers["set-cookie"].partition(";")[0],
              "X-Forwarded-For": "10.0.0.1"}
    answer = place.post("/api/logout", {}, {**cookie, "Sec-Fetch-Site": "same-origin"})
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert place.get("/api/status", cookie).status == 401


def test_a_body_is_json_small_and_whole(place: Place) -> None:
    for headers, body, status in (
        ({}, b"{}", 415), ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/json"}, b"[]", 400), ({"Content-Type": "application/json"}, b"{", 400),
        ({"Content-Type": "application/json"}, b"[" * 60_000, 400),
        ({"Content-Type": "application/json"}, b'{"token": "' + b"x" * 70_000 + b'"}', 413),
    ):
        assert place.ask("POST", "/api/login", headers, body).status == status, body[:20]
    with place.connect() as wire:
        wire.sendall(b"BLURB\r\n\r\n")
        assert read_answer(wire).status == 400


def test_a_look_that_hangs_keeps_lists_waiting_for_nothing_and_no_other_begins_beside_it(
        place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one look keeps for the next is its own: two at a time would spoil it."""
    going, most, release = 0, 0, threading.Event()
    real = snapshot.take

    def hangs(site: Site) -> Snapshot:
        nonlocal going, most
        going += 1
        most = max(most, going)
        try:
            release.wait(30)
            return real(site)
        finally:
            going -= 1

    monkeypatch.setattr(snapshot, "take", hangs)
    monkeypatch.setattr(events, "PATIENCE", 1.0)
    monkeypatch.setattr(Threads.run, "__kwdefaults__", {**(Threads.run.__kwdefaults__ or {}), "patience": 0.3})
    try:
        statuses: list[int] = []
        askers = [threading.Thread(target=lambda: statuses.append(place.get("/api/status").status)) for _ in range(12)]
        for one in askers:
            one.start()
        for one in askers:
            one.join(20)
        assert statuses == [503] * 12
        _until(lambda: place.get("/api/jobs").status == 200)
        assert most == 1
    finally:
        release.set()
    _until(lambda: place.get("/api/status").status == 200)
