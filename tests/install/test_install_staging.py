"""`service install --root`: a tree that holds what a machine would, file by file; `uninstall` takes it back."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest
from commands import Done, run

from diffio_watch import __version__
from diffio_watch.config import parse
from diffio_watch.install import program, steps
from diffio_watch.install.shipped import shipped

KEY = "sk-test-very-secret-1"
FIRST = ["--inbox", "/srv/studio/inbox", "--outbox", "/srv/studio/outbox", "--group", "studio"]
WANTS = "etc/systemd/system/multi-user.target.wants/diffio-watch.service"
UNIT = "etc/systemd/system/diffio-watch.service"
DROP_IN = f"{UNIT}.d/10-folders.conf"
FILES = {"etc/diffio-watch/config.yaml": 0o644, "etc/diffio-watch/api-key": 0o600, UNIT: 0o644, DROP_IN: 0o644,
         "etc/sysusers.d/diffio-watch.conf": 0o644}
LINKS = {WANTS: "/etc/systemd/system/diffio-watch.service",
         "usr/local/bin/diffio-watch": "/opt/diffio-watch/current/bin/diffio-watch"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def service(capfdbinary: pytest.CaptureFixture[bytes], command: str, root: Path, *arguments: str) -> Done:
    return run(capfdbinary, "service", command, "--root", str(root), "--yes", *arguments)


def install(capfdbinary: pytest.CaptureFixture[bytes], root: Path, *arguments: str) -> Done:
    (root.parent / "key").write_text(f"{KEY}\n")
    return service(capfdbinary, "install", root, "--key-file", str(root.parent / "key"), *arguments)


def found(root: Path) -> dict[str, str | int]:
    """Each file's mode, each link's target."""
    def what(path: Path) -> str | int:
        return str(path.readlink()) if path.is_symlink() else stat.S_IMODE(path.stat().st_mode)

    return {str(path.relative_to(root)): what(path) for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def test_the_tree_holds_each_file_with_its_mode_and_nothing_else(
        root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    done = install(capfdbinary, root, *FIRST)
    assert done.code == 0, done.err
    assert found(root) == {**FILES, **LINKS}
    assert (root / UNIT).read_text("utf-8") == shipped("diffio-watch.service")
    assert (root / "etc/sysusers.d/diffio-watch.conf").read_text("utf-8") == (
        shipped("diffio-watch.sysusers.conf") + "m diffio-watch studio\n")
    lines = (root / DROP_IN).read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "[Service]", "ReadWritePaths=-/srv/studio", "SupplementaryGroups=studio"]
    config = parse((root / "etc/diffio-watch/config.yaml").read_bytes(), {})
    assert (str(config.inboxes[0].path), str(config.state_dir)) == ("/srv/studio/inbox", "/var/lib/diffio-watch")
    assert (root / "etc/diffio-watch/api-key").read_text("ascii") == f"{KEY}\n"
    assert not (root / "srv").exists()  # data is never its
    assert "folders are made" not in done.out
    assert "install -d -g studio -m 2775 /srv/studio/inbox\n" in done.out
    assert f"/opt/diffio-watch/{__version__}/bin/pip install {program.source()}\n" in done.out


def test_the_key_is_in_no_output_and_no_other_file(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    done = install(capfdbinary, root, *FIRST)
    assert KEY not in done.out + done.err
    for path in root.rglob("*"):
        if path.is_file() and path.name != "api-key":
            assert KEY not in path.read_text("utf-8"), path


def test_twice_is_once(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    install(capfdbinary, root, *FIRST)
    before = {path: path.lstat().st_ino for path in root.rglob("*")}
    done = service(capfdbinary, "install", root)
    assert (done.code, "All of it is in place." in done.out) == (0, True)
    assert {path: path.lstat().st_ino for path in root.rglob("*")} == before


@pytest.mark.parametrize("at", range(1, 9))
def test_a_run_that_broke_is_finished_by_the_next(
        root: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Broken off before each of its renames in turn, the next one leaves the tree that an unbroken one would."""
    left = at
    rename = os.replace

    def breaks(source: str | Path, target: str | Path) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "replace", breaks)
    first = install(capfdbinary, root, *FIRST)
    monkeypatch.undo()
    assert first.code == (1 if left <= 0 else 0)
    assert install(capfdbinary, root, *FIRST).code == 0
    assert found(root) == {**FILES, **LINKS}


def test_a_dry_run_writes_nothing(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    done = service(capfdbinary, "install", root, "--dry-run", *FIRST)
    assert done.code == 0
    for path in (UNIT, DROP_IN, *LINKS):
        assert str(root / path) in done.out
    assert "ReadWritePaths=-/srv/studio" in done.out
    assert f"{root}/etc/diffio-watch/api-key   (the key, for root alone: it is asked for)" in done.out
    assert list(root.rglob("*")) == []


def test_nothing_is_done_without_a_yes(root: Path, capfdbinary: pytest.CaptureFixture[bytes],
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"n\n")))
    done = run(capfdbinary, "service", "install", "--root", str(root), *FIRST)
    assert (done.code, done.err) == (1, "Nothing was done.\n")
    assert list(root.rglob("*")) == []


def test_another_program_s_file_is_never_replaced(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    place = root / "usr/local/bin/diffio-watch"
    place.parent.mkdir(parents=True)
    place.write_text("#!/bin/sh\n")
    done = install(capfdbinary, root, *FIRST)
    assert done.code == 2
    assert "remove it first" in done.err
    assert found(root) == {"usr/local/bin/diffio-watch": stat.S_IMODE(place.stat().st_mode)}


def test_a_secret_that_the_service_would_not_see_is_refused_in_words(
        root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    config = root / "etc/diffio-watch/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("api: {key_file: /root/key}\ninboxes: [{name: a, path: /srv/in, outbox: /srv/out}]\n")
    done = service(capfdbinary, "install", root)
    assert done.code == 2
    assert "api.key_file is /root/key, in somebody's home" in done.err


def test_without_a_configuration_it_says_which_words_are_missing(
        root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    done = service(capfdbinary, "install", root)
    assert done.code == 2
    assert "--inbox and --outbox" in done.err


def test_uninstall_leaves_configuration_key_and_what_others_wrote(
        root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    install(capfdbinary, root, *FIRST)
    own = root / f"{UNIT}.d/50-mine.conf"
    own.write_text("[Service]\nNice=5\n")
    done = service(capfdbinary, "uninstall", root)
    assert done.code == 0, done.err
    assert set(found(root)) == {"etc/diffio-watch/config.yaml", "etc/diffio-watch/api-key", str(own.relative_to(root))}
    assert service(capfdbinary, "uninstall", root).out == "Nothing of it is installed here.\n"


def test_an_absent_share_keeps_the_groups_that_it_had(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    install(capfdbinary, root, *FIRST)
    assert service(capfdbinary, "install", root).code == 0  # no --group this time, and no folder to ask
    assert "SupplementaryGroups=studio" in (root / DROP_IN).read_text("utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_who_is_not_root_is_told_so(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = run(capfdbinary, "service", "install", *FIRST)
    assert done.code == 2
    assert "sudo" in done.err


def test_what_is_shown_is_what_is_shipped() -> None:
    """The paths above are those of the program."""
    assert {str(path)[1:] for path in (steps.CONFIG, steps.KEY, steps.UNITS / "diffio-watch.service", steps.DROP_IN,
                                       steps.USERS)} == set(FILES)
