"""Files of secrets: one that hangs, has no end or is no file holds nobody up, whoever reads it."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from diffio_watch.config import (
    Config,
    KeyMissing,
    SecretMissing,
    Webhook,
    read_key,
    read_small,
    small_file,
    webhook_secrets,
)
from diffio_watch.daemon.secrets import Secrets
from diffio_watch.service.notices import addresses
from diffio_watch.service.token import TokenFile

TOKEN = "a-token-that-is-long-enough"
PATIENCE = 15.0


@pytest.fixture
def config() -> Config:
    return Config.of({"inboxes": [{"name": "a", "path": "/in", "outbox": "/out"}], "state_dir": "/s"})


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, threading.Event]]:
    """A folder in which nothing can be opened until the event is set, as on a share whose server is gone."""
    folder, goes_on, real = tmp_path / "share", threading.Event(), os.open
    folder.mkdir()
    for name in ("secret", "token"):
        (folder / name).touch(0o600)

    def stands(path: str | Path, *rest: int, **more: int) -> int:
        if Path(path).parent == folder:
            goes_on.wait(4 * PATIENCE)
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", stands)
    monkeypatch.setattr(small_file, "_PATIENCE", 0.2)
    yield folder, goes_on
    goes_on.set()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="of the files there, this one can't be read: EIO")
def test_a_key_s_disk_is_given_as_long_as_one_takes_that_spins_up_and_each_silence_anew(
        config: Config, tmp_path: Path) -> None:
    """Then the key counts as missing, which stops all and is told."""
    clock, key = [0.0], tmp_path / "key"
    read = Secrets(lambda: clock[0]).of(replace(config, api=replace(config.api, key_file=key)))

    def passing(at: float) -> bool:
        clock[0] = at
        with pytest.raises(KeyMissing) as caught:
            read()
        return caught.value.passing

    key.symlink_to("/proc/self/mem")
    assert [passing(at) for at in (0, 5, 19, 21, 26)] == [True, True, True, False, False]
    key.unlink()
    key.write_text("a-key-of-the-studio")
    assert read() == "a-key-of-the-studio"
    key.unlink()
    key.symlink_to("/proc/self/mem")
    assert [passing(at) for at in (30, 45)] == [True, True]
    assert [passing(at) for at in (600, 610, 625)] == [True, True, False], "nobody asked for long"
    key.unlink()
    assert not passing(630), "it is not there"


def _readings() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "small-file"]


def _key(config: Config, file: Path) -> str:
    try:
        return read_key(replace(config, api=replace(config.api, key_file=file)), {})
    except KeyMissing as missing:
        return str(missing)


def _secret(config: Config, file: Path) -> str:
    try:
        return webhook_secrets(replace(config, webhook=Webhook(listen=None, secret_file=file)), {})[0]
    except SecretMissing as missing:
        return str(missing)


def _token(_: Config, file: Path) -> str:
    read = TokenFile(file)
    read.look()
    return read.token or read.trouble


def _address(config: Config, file: Path) -> str:
    found = addresses.read(replace(config.notify, urls_file=file))
    return found.problem or found.urls[0]


_READERS = pytest.mark.parametrize(("read", "content"), [
    (_key, "key"), (_secret, "whsec_" + "A" * 32), (_token, TOKEN), (_address, "mailtos://mail.example?to=x"),
])
_Read = Callable[[Config, Path], str]


@pytest.mark.parametrize(("read", "missing"), [(read_key, KeyMissing), (webhook_secrets, SecretMissing)])
def test_a_host_that_is_short_of_open_files_says_nothing_of_a_secret(
        config: Config, tmp_path: Path, read: Callable[..., object], missing: type[Exception]) -> None:
    """By the system's own limit: else the account would be halted, and a person told to put the key there."""
    (tmp_path / "secret").touch(0o600)
    meant = replace(config, api=replace(config.api, key_file=tmp_path / "secret"),
                    webhook=Webhook(listen=None, secret_file=tmp_path / "secret"))
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, usual[1]))
    try:
        with pytest.raises(missing, match=r"open files\. It is read again by itself") as told:
            read(meant, {})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert getattr(told.value, "passing", True)


@_READERS
def test_what_is_no_file_is_told_and_not_waited_for(config: Config, tmp_path: Path, read: _Read, content: str) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for wrong, words in ((tmp_path / "pipe", "it is no file"), (Path("/dev/zero"), "it is no file"),
                         (tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        assert words in read(config, wrong)
    (tmp_path / "real").touch(0o600)
    (tmp_path / "real").write_text(content)
    (tmp_path / "link").symlink_to("real")
    assert read(config, tmp_path / "link") == content, "as systemd's credentials and Kubernetes' secrets may be"
    (tmp_path / "real").write_text("x" * 100_000)
    assert "x" * 20 not in read(config, tmp_path / "link")


@_READERS
def test_what_hangs_is_told_in_time_and_read_as_soon_as_it_can_be(
        config: Config, share: tuple[Path, threading.Event], read: _Read, content: str) -> None:
    folder, goes_on = share
    (folder / "secret").write_text(content)
    for _ in range(20):
        assert "does not answer" in read(config, folder / "secret")
    assert len(_readings()) == 1, "nobody else is sent after the one that hangs"
    assert all(thread.daemon for thread in _readings()), "the program ends without it"
    goes_on.set()
    for thread in _readings():
        thread.join(PATIENCE)
    assert read(config, folder / "secret") == content


def test_what_is_mounted_anew_is_read_though_an_old_read_hangs_for_good(
        share: tuple[Path, threading.Event], monkeypatch: pytest.MonkeyPatch) -> None:
    """At growing pauses, without an end: of those that hang for good there are only a few, however long it lasts."""
    folder, goes_on = share
    monkeypatch.setattr(small_file, "_ANOTHER", 0.05)
    began = time.monotonic()
    while len(_readings()) < 5:
        with pytest.raises(TimeoutError):
            read_small(folder / "secret", 10, patience=0)
        time.sleep(0.001)
    assert time.monotonic() - began >= 0.05 * (1 + 2 + 4 + 8)
    goes_on.set()
    assert read_small(folder / "secret", 10, patience=PATIENCE).content == b""


def test_a_token_stays_in_force_while_its_disk_does_not_answer_and_goes_with_its_file(
        tmp_path: Path, share: tuple[Path, threading.Event]) -> None:
    folder, goes_on = share
    goes_on.set()
    (folder / "token").write_text(TOKEN)
    file = TokenFile(folder / "token")
    assert file.look()
    goes_on.clear()
    assert file.look()
    assert file.token == TOKEN
    assert "stays in force" in file.trouble
    assert not file.look(), "it is told once"
    goes_on.set()
    end = time.monotonic() + PATIENCE
    while _readings() and time.monotonic() < end:
        time.sleep(0.02)
    assert file.look()
    assert (file.token, file.trouble) == (TOKEN, "")
    (folder / "token").unlink()
    assert file.look()
    assert file.token is None
