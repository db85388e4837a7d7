"""A share with the files of secrets that hangs: what needs one of them waits for it, and nothing else does."""

from __future__ import annotations

import http.client
import signal
import subprocess
from pathlib import Path

import pytest
from sounds import sound
from whole_mounts import Mounts
from whole_studio import MakeStudio, Studio, until

pytestmark = pytest.mark.slow

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def share(tmp_path: Path, mounts: Mounts) -> Path:
    """One that a program serves, with the files of secrets in it."""
    files, share = tmp_path / "files", tmp_path / "share"
    share.mkdir()
    files.mkdir()
    for name, content in (("token", TOKEN), ("secret", "whsec_" + "A" * 32), ("key", "key-of-the-share"),
                          ("urls", "mailtos://mail.example?to=nobody")):
        (files / name).touch(0o600)
        (files / name).write_text(content)
    mounts.fuse(files, share)
    return share


def _studio(make_studio: MakeStudio, share: Path) -> Studio:
    return make_studio(web={"listen": "127.0.0.1:0", "token_file": str(share / "token")},
                       webhook={"secret_file": str(share / "secret")}, notify={"urls_file": str(share / "urls")})


def test_a_start_waits_for_none_of_them(make_studio: MakeStudio, mounts: Mounts, share: Path) -> None:
    studio = _studio(make_studio, share)
    studio.config["api"] = {"key_file": str(share / "key")}
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    mounts.hang(share)
    studio.start()
    until(lambda: studio.events("page.listening"), what=studio.told)
    until(lambda: studio.halts().get("account") == "auth", what=studio.told)
    assert "does not answer" in studio.events("key.waits")[0]["message"]
    mounts.go_on(share)
    until(lambda: studio.command("resume")[0] == 0 and studio.states().get("a.wav") == "delivered", what=studio.told)
    assert studio.stop() == 0


def test_a_reload_a_webhook_and_the_end_wait_for_none_of_them(make_studio: MakeStudio, mounts: Mounts,
                                                              share: Path) -> None:
    studio = _studio(make_studio, share)
    studio.launch()
    until(lambda: studio.events("page.listening"), what=studio.told)
    mounts.hang(share)
    studio.config["web"]["hosts"] = ["studio.example"]
    studio.configure()
    assert studio.process is not None
    studio.process.send_signal(signal.SIGHUP)
    until(lambda: studio.events("config.reloaded"), what=studio.told)
    assert studio.command("pause")[0] == 0
    until(lambda: len(studio.events("page.listening")) == 2, what=studio.told)
    port = int(studio.events("page.listening")[-1]["urls"][0].rpartition(":")[2].strip("/"))
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    wire.request("POST", "/webhooks/diffio", b"{}", {"content-type": "application/json"})
    assert wire.getresponse().status == 503, "the service tries again"
    wire.close()
    studio.process.terminate()
    until(lambda: _has_ended(studio.process), what=studio.told)
    mounts.go_on(share)
    assert studio.process.wait(20) == 0, studio.told()


def _has_ended(process: subprocess.Popen[bytes] | None) -> bool:
    """Whether it has done its last: where a call was with the share's program already, the kernel keeps its remains."""
    assert process is not None
    return process.poll() is not None or "State:\tZ" in Path(f"/proc/{process.pid}/status").read_text()
