"""A share with the files of secrets that hangs: what needs one of them waits for it, and nothing else does."""

from __future__ import annotations

import http.client
import signal
import subprocess
from pathlib import Path

import pytest
from receivers import receiver
from sounds import sound
from whole_mounts import Mounts
from whole_studio import MakeStudio, Studio, until

from diffio_watch.config import read_small

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
    until(lambda: studio.states().get("a.wav") == "uploading: key_away", what=studio.told)
    assert "does not answer" in studio.events("key.waits")[0]["message"]
    mounts.go_on(share)
    studio.wait("a.wav")
    assert studio.stop() == 0


def test_a_short_silence_of_the_key_s_disk_stops_no_account(make_studio: MakeStudio, mounts: Mounts,
                                                            share: Path) -> None:
    """As of one that spins up: it is no word about the key."""
    studio = make_studio(api={"key_file": str(share / "key")})
    studio.start()
    mounts.hang(share)
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    until(lambda: studio.states().get("a.wav") == "uploading: key_away", what=studio.told)
    mounts.go_on(share)
    studio.wait("a.wav")
    assert [event for event in studio.events() if event["level"] == "error"] == []


def test_a_reload_is_done_though_the_key_s_disk_is_silent(make_studio: MakeStudio, mounts: Mounts, share: Path) -> None:
    studio = make_studio(api={"key_file": str(share / "key")})
    studio.start()
    mounts.hang(share)
    studio.reload_as_it_is()
    until(lambda: studio.events("config.reloaded"), what=studio.told)
    assert studio.events("key.waits")
    mounts.go_on(share)


def test_a_start_waits_for_the_share_of_the_key_that_broke_down(make_studio: MakeStudio, mounts: Mounts,
                                                                share: Path) -> None:
    """That says no more of the key than silence does, and exit 2 is for good."""
    mounts.servers[share].kill()
    mounts.servers[share].wait()
    with pytest.raises(OSError, match="not connected"):
        (share / "key").read_text()
    studio = make_studio(api={"key_file": str(share / "key")})
    studio.start()
    assert "not connected" in studio.events("key.waits")[0]["message"]


@pytest.mark.parametrize("how", ["hangs", "is not there", "is written anew"])
def test_a_message_is_told_though_the_file_of_addresses_is_out_of_reach(
        make_studio: MakeStudio, mounts: Mounts, share: Path, tmp_path: Path, how: str) -> None:
    """To those who stood there last; where nobody does, once somebody does."""
    file = tmp_path / "files" / "urls"
    with receiver() as web:
        file.write_text(web.url() + "\n")
        studio = make_studio(notify={"urls_file": str(share / "urls")})
        studio.start()
        until(lambda: _addresses(studio) == 1, what=studio.told)
        if how == "hangs":
            mounts.hang(share)
        elif how == "is not there":
            file.rename(file.with_name("away"))
        else:
            file.write_text("")
        (studio.inbox() / "picture.wav").write_bytes(b"no sound at all" * 100)
        if how != "hangs":
            until(lambda: _addresses(studio) == 0, what=studio.told)
            file.write_text(web.url() + "\n")
        until(lambda: web.subjects == ["podcasts: picture.wav was not restored"], what=studio.told)
        mounts.go_on(share)


def test_who_refused_a_message_gets_it_later_though_the_file_of_addresses_hangs_then(
        make_studio: MakeStudio, mounts: Mounts, share: Path, tmp_path: Path) -> None:
    with receiver() as web:
        (tmp_path / "files" / "urls").write_text(web.url() + "\n")
        web.answer = 503
        studio = make_studio(notify={"urls_file": str(share / "urls")})
        studio.start()
        (studio.inbox() / "picture.wav").write_bytes(b"no sound at all" * 100)
        until(lambda: studio.events("notice.not_sent"), what=studio.told)
        mounts.hang(share)
        web.answer = 200
        for _ in range(3):
            studio.skip(20)
        until(lambda: "podcasts: picture.wav was not restored" in web.subjects, what=studio.told)
        mounts.go_on(share)


def test_who_stands_in_the_configuration_gets_it_again_though_the_file_of_addresses_never_answers(
        make_studio: MakeStudio, mounts: Mounts, share: Path) -> None:
    """The network was down: the share is away still, and so was the mail server when it was told first."""
    with receiver() as web:
        mounts.hang(share)
        web.answer = 503
        studio = make_studio(notify={"urls_file": str(share / "urls"), "urls": [web.url()]})
        studio.start()
        (studio.inbox() / "picture.wav").write_bytes(b"no sound at all" * 100)
        until(lambda: studio.states().get("picture.wav") == "failed: not_media", what=studio.told)
        until(lambda: studio.events("notices.limited"), what=studio.told)
        for _ in range(16):
            studio.skip(20)
        until(lambda: studio.events("notice.not_sent"), what=studio.told)
        assert web.subjects == []
        web.answer = 200
        for _ in range(4):
            studio.skip(20)
        until(lambda: "podcasts: picture.wav was not restored" in web.subjects, what=studio.told)
        mounts.go_on(share)


@pytest.mark.parametrize("when", ["while it runs", "before it starts"])
def test_who_stands_in_a_file_of_addresses_whose_share_is_not_mounted_hears_of_it(
        make_studio: MakeStudio, mounts: Mounts, share: Path, tmp_path: Path, when: str) -> None:
    """That it is not there is no word about it where its share is not; nor where it was there in the last run."""
    with receiver() as web, receiver() as other:
        (tmp_path / "files" / "urls").write_text(other.url() + "\n")
        (tmp_path / "link").symlink_to(share / "urls")
        studio = make_studio(notify={"urls_file": str(tmp_path / "link"), "urls": [web.url()]})
        studio.start()
        until(lambda: _addresses(studio) == 2, what=studio.told)
        if when == "before it starts":
            studio.stop()
        mounts.unmount(share)
        if when == "before it starts":
            studio.start()
        for _ in range(4):
            studio.skip(20)
        until(lambda: studio.events("notices.limited"), what=studio.told)
        (studio.inbox() / "picture.wav").write_bytes(b"no sound at all" * 100)
        until(lambda: studio.states().get("picture.wav") == "failed: not_media", what=studio.told)
        if when == "before it starts":
            before = _waited(studio)
            studio.skip(20)
            until(lambda: _waited(studio) > before + 10, what=studio.told)  # some looks after it failed
            assert web.subjects == []
            mounts.bind(tmp_path / "files", share)
            studio.skip(20)
        told = "podcasts: picture.wav was not restored"
        until(lambda: web.subjects.count(told) == other.subjects.count(told) == 1, what=studio.told)


def test_a_file_of_addresses_that_is_not_there_keeps_nobody_else_waiting(make_studio: MakeStudio,
                                                                         tmp_path: Path) -> None:
    """In it nobody stands, as a person may have meant it."""
    with receiver() as web:
        studio = make_studio(notify={"urls_file": str(tmp_path / "nowhere"), "urls": [web.url()]})
        studio.start()
        (studio.inbox() / "picture.wav").write_bytes(b"no sound at all" * 100)
        until(lambda: web.subjects == ["podcasts: picture.wav was not restored"], what=studio.told)


def test_nobody_is_told_before_the_file_of_addresses_could_be_read_once(
        make_studio: MakeStudio, mounts: Mounts, share: Path, tmp_path: Path) -> None:
    """Else those in it would not hear of it, for a message is told once."""
    with receiver() as web, receiver() as other:
        (tmp_path / "files" / "urls").write_text(other.url() + "\n")
        mounts.hang(share)
        studio = make_studio(notify={"urls_file": str(share / "urls"), "urls": [web.url()]})
        studio.start()
        (studio.inbox() / "picture.wav").write_bytes(b"no sound at all" * 100)
        until(lambda: studio.states().get("picture.wav") == "failed: not_media", what=studio.told)
        until(lambda: studio.events("notices.limited"), what=studio.told)
        assert web.subjects == []
        mounts.go_on(share)
        until(lambda: len(web.subjects) == len(other.subjects) == 1, what=studio.told)


def test_a_start_does_not_begin_the_patience_with_the_file_of_addresses_anew(
        make_studio: MakeStudio, mounts: Mounts, share: Path) -> None:
    """Or nobody would ever hear of a daemon that ends again and again."""
    with receiver() as web:
        mounts.hang(share)
        studio = make_studio(notify={"urls_file": str(share / "urls"), "urls": [web.url()]})
        studio.start()
        (studio.inbox() / "picture.wav").write_bytes(b"no sound at all" * 100)
        until(lambda: studio.states().get("picture.wav") == "failed: not_media", what=studio.told)
        for _ in range(8):
            studio.skip(20)
        until(lambda: _waited(studio) > 100, what=studio.told)
        studio.restart()
        assert web.subjects == []
        for _ in range(8):
            studio.skip(20)
        until(lambda: web.subjects == ["podcasts: picture.wav was not restored"], what=studio.told)
        mounts.go_on(share)


def test_at_its_end_once_waits_a_little_for_the_file_of_addresses(
        make_studio: MakeStudio, mounts: Mounts, share: Path, tmp_path: Path) -> None:
    """Its disk may be spinning up, and what was told to somebody is told to nobody later."""
    with receiver() as web, receiver() as other:
        (tmp_path / "files" / "urls").write_text(other.url() + "\n")
        studio = make_studio(notify={"urls_file": str(share / "urls"), "urls": [web.url()]})
        (studio.inbox() / "picture.wav").write_bytes(b"no sound at all" * 100)
        mounts.hang(share)
        studio.launch("once")
        until(lambda: studio.states().get("picture.wav") == "failed: not_media", what=studio.told)
        until(lambda: studio.events("notices.limited"), what=studio.told)
        mounts.go_on(share)
        until(lambda: _has_ended(studio.process), what=studio.told)
        assert len(web.subjects) == len(other.subjects) == 1


def test_a_share_that_is_mounted_anew_is_read_at_once(mounts: Mounts, share: Path, tmp_path: Path) -> None:
    mounts.hang(share)
    with pytest.raises(TimeoutError):
        read_small(share / "key", 100, patience=0.1)
    server = mounts.servers[share]
    mounts.unmount(share)  # lazily: the old server never comes back, and who waits for it does for good
    mounts.bind(tmp_path / "files", share)
    for _ in range(3):  # and from then on, though the first read hangs still
        assert read_small(share / "key", 100, patience=20).content == b"key-of-the-share"
    mounts.servers[share] = server


def _addresses(studio: Studio) -> int:
    """How many are known to the daemon."""
    with studio.journal() as journal:
        state = journal.notices.state()
    return 0 if state is None else state.addresses


def _waited(studio: Studio) -> float:
    """Seconds that its messages waited for the file with addresses."""
    with studio.journal() as journal:
        file = journal.notices.address_file()
    return 0.0 if file is None else file.waited


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
