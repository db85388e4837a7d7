"""The process that sends: a real mail server, a real receiver on loopback, and all that may go wrong in it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from receivers import mail_server, receiver

from diffio_watch.service.notices import send

PASSWORD = "CANARY-password"


def test_a_mail_server_and_a_web_hook_get_the_same_message() -> None:
    with receiver() as web, mail_server() as box:
        found = send.message([web.url(), box.url()], "Grüße: a.wav", "Zeile\n<b>zwei</b>")
        assert [one.ok for one in found] == [True, True]
        assert [(body["title"], body["message"]) for body in web.bodies] == [("Grüße: a.wav", "Zeile\n<b>zwei</b>")]
        (mail,) = box.mails
        assert (mail["Subject"], mail["To"], mail.get_content_type()) == ("Grüße: a.wav", "admin@studio.example",
                                                                         "text/plain")
        assert mail.get_content().splitlines() == ["Zeile", "<b>zwei</b>"]


def test_each_address_says_for_itself_what_came_of_it() -> None:
    with receiver() as web, mail_server() as box:
        web.answer, box.refuse = 500, "550 nobody of that name"
        urls = [web.url(), box.url(), f"json://127.0.0.1:1/{PASSWORD}", f"json://nosuch.invalid/{PASSWORD}",
                f"mailtos://user:{PASSWORD}@127.0.0.1:{box.port}?from=a@b.example&mode=starttls",
                f"mailtos://user:{PASSWORD}@127.0.0.1:{box.port}?from=a@b.example&mode=ssl",
                f"mailto://user:{PASSWORD}@127.0.0.1:{box.port}?from=a@b.example&mode=insecure",
                f"nosuch://{PASSWORD}", f"mailto://user:{PASSWORD}@127.0.0.1:1?from=a@b.example&mode=insecure"]
        found = send.message(urls, "s", "b")
    assert [one.ok for one in found] == [False] * 9
    words = ("error of its own", "does not take", "refuses connections", "no server of that name",
             "STARTTLS", "o secure connection", "not taken: Socket Exception: SMTP AUTH extension not supported",
             "does not know this kind", "refuses connections")
    for one, said in zip(found, words, strict=True):
        assert said in one.error
    assert PASSWORD not in repr(found)


def test_one_that_hangs_is_ended_and_nobody_knows_and_the_others_were_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "PATIENCE", 4.0)
    with receiver() as web, receiver() as other:
        web.hold.set()
        found = send.message([web.url(), other.url()], "s", "b")
    assert [one.ok for one in found] == [None, True]
    assert "not known whether it arrived" in found[0].error


def test_the_end_of_the_program_waits_a_little_for_it_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "PATIENCE", 3600.0)
    with receiver() as web:
        web.hold.set()
        (found,) = send.message([web.url()], "s", "b", lambda: bool(web.asked))
    assert (found.ok, "daemon ended" in found.error) == (None, True)


@pytest.mark.parametrize(("body", "said"), [
    ("import os, resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), 11)", "SIGSEGV"),
    ("raise SystemExit(3)", "exit code 3"),
    (f"{send._CHILD.read_text().rpartition('if __name__')[0]}\n_bounded(); x = ' ' * (1 << 33)", "exit code 1"),
    ("import sys\nwhile True: sys.stdout.write('{}\\n' * 1000)", "said too much"),
    ("print('[' * 5000); print('null'); print('{\"number\": 7, \"ok\": true, \"error\": \"\"}')", "ended"),
    ("import os, time\nif os.fork() == 0: time.sleep(3600)\nos._exit(0)", "There was no answer"),
], ids=["crashes", "ends", "grows", "floods", "talks nonsense", "leaves a process behind"])
def test_whatever_becomes_of_the_process_it_is_told_and_over(
        body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixture of every test sees that nothing of it is left running."""
    child = tmp_path / "child.py"
    child.write_text(f"{body}\n")
    monkeypatch.setattr(send, "_CHILD", child)
    monkeypatch.setattr(send, "PATIENCE", 3.0)
    (found,) = send.message(["json://127.0.0.1:1/x"], "s", "b")
    assert found.ok is None
    assert said in found.error


def test_addresses_and_keys_are_in_no_argument_and_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFIO_API_KEY", "CANARY-key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/CANARY")
    with receiver() as web:
        web.hold.set()
        thread = threading.Thread(target=send.message, args=([web.url(PASSWORD)], "s", "b"))
        thread.start()
        end = time.monotonic() + 20
        while not web.asked and time.monotonic() < end:
            time.sleep(0.02)
        children = [pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]
        seen = [Path(f"/proc/{pid}/{name}").read_bytes() for pid in children for name in ("cmdline", "environ")
                if b"child.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        web.hold.clear()
        thread.join(20)
    assert any(b"child.py" in one for one in seen)
    assert not [one for one in seen if b"CANARY" in one]


def test_the_process_ends_itself_where_who_started_it_is_gone() -> None:
    """The daemon may be killed while it sends: its child has an alarm of its own."""
    with receiver() as web:
        web.hold.set()
        child = subprocess.Popen([sys.executable, "-P", str(send._CHILD)], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert child.stdin is not None
        child.stdin.write(b'{"urls": [], "heartbeat": "%s", "agent": "x", "seconds": 1}'
                          % web.url(kind="http").encode())
        child.stdin.close()
        assert child.wait(20) == -14  # SIGALRM


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with a proxy that nothing on loopback may go through."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")


def test_the_heartbeat_is_asked_directly_and_told_nobody_else(proxied: None) -> None:
    with receiver() as web, receiver() as other:
        url = web.url(PASSWORD, "http")
        assert send.heartbeat(url) == send.Outcome(ok=True)
        web.answer, web.location = 302, other.url(kind="http")
        found = send.heartbeat(url)
        assert (found.ok, "elsewhere" in found.error) == (False, True)
        web.answer, web.location = 404, ""
        assert send.heartbeat(url).error == "It answered 404."
        assert web.asked == [("GET", f"/{PASSWORD}")] * 3
        assert other.asked == []
    gone = send.heartbeat(url)
    assert (gone.ok, PASSWORD in gone.error) == (False, False)


def test_an_endless_answer_to_the_heartbeat_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket  # noqa: PLC0415 - of this test alone

    monkeypatch.setattr(send, "PATIENCE", 10.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        def flood() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                try:
                    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    while True:
                        peer.sendall(b"x" * 65536)
                except OSError:
                    return

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        assert send.heartbeat(f"http://127.0.0.1:{server.getsockname()[1]}/").ok is True
        thread.join(10)
        assert not thread.is_alive()


def test_no_message_is_lost_where_the_process_could_not_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known not to have arrived, so it is tried again."""
    monkeypatch.setattr(sys, "executable", os.devnull + "/python")
    (outcome,) = send.message(["json://127.0.0.1:1/x"], "s", "b")
    assert outcome.ok is False
    assert "could be started" in outcome.error


