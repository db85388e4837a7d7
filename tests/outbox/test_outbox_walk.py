"""Others make the folders of an outbox: however deep and whatever they are like, a walk through it comes to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from markers import put_marker
from outbox_studio import Studio, always

from diffio_watch.disk import marker_file
from diffio_watch.job import new_id
from diffio_watch.outbox import names, walk
from diffio_watch.outbox.errors import OutboxGone
from diffio_watch.outbox.root import Root


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(tmp_path)
    yield made
    subprocess.run(["rm", "-rf", made.root], check=True)  # what Python's own remover can't


def deep(root: Path, levels: int, name: str = "d", beside: str = "") -> int:
    """A chain of folders, each with another one beside it where that has a name; a descriptor of the innermost."""
    fd = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        if beside:
            os.mkdir(beside, dir_fd=fd)
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    return fd


@pytest.mark.parametrize("beside", ["", "z"])
def test_a_thousand_folders_deep_is_walked_to_the_end(studio: Studio, beside: str) -> None:
    innermost = deep(studio.root, 1100, beside=beside)
    left = names.temp_name(new_id(), "audio")
    os.close(os.open(left, os.O_CREAT, dir_fd=innermost))
    os.close(innermost)
    passed: list[tuple[str, str]] = []
    walked = list(walk.walk(Root(str(studio.root), always), lambda *one: passed.append(one)))
    assert (len(walked), passed) == (2201 if beside else 1101, [])
    assert studio.outbox().sweep(lambda _: False) == ["/".join(["d"] * 1100 + [left])]


def test_deeper_than_any_path_reaches_is_told_and_not_entered(studio: Studio) -> None:
    os.close(deep(studio.root, 60, "x" * 100))
    passed: list[tuple[str, str]] = []
    walked = list(walk.walk(Root(str(studio.root), always), lambda *one: passed.append(one)))
    assert len(walked) == 41
    ((path, why),) = passed
    assert path.count("/") == 40
    assert "deeper" in why


def test_a_folder_that_somebody_keeps_to_himself_is_told_and_the_rest_walked(studio: Studio) -> None:
    """As root nothing is forbidden."""
    for name in ("a", "b", "c"):
        (studio.root / name).mkdir()
    (studio.root / "b").chmod(0)
    pid = os.fork()
    if pid == 0:
        try:
            for above in studio.root.parents:
                if os.geteuid() == 0 and above.stat().st_uid == 0:
                    above.chmod(above.stat().st_mode | 0o055)
            studio.root.chmod(0o755)
            if os.geteuid() == 0:
                os.setuid(65534)
            told: list[tuple[str, str]] = []
            found = sorted(folder for folder, _, _ in walk.walk(
                Root(str(studio.root), always), lambda *one: told.append(one)))
            os._exit(0 if (found, told) == (["", "a", "c"], [("b", "Permission denied")]) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_root_that_is_not_there_is_no_empty_one(studio: Studio) -> None:
    with pytest.raises(OutboxGone):
        list(walk.walk(Root(str(studio.base / "none"), always)))


def test_links_are_not_followed(studio: Studio) -> None:
    (studio.root / "loop").symlink_to(studio.root)
    (studio.root / "out").symlink_to("/etc")
    assert [(folder, sorted(files)) for folder, files, _ in walk.walk(Root(str(studio.root), always))] == [
        ("", ["loop", "out"])]


def test_what_others_have_in_a_root_of_theirs_is_left_alone(studio: Studio) -> None:
    """Another program's outbox may show in this one: what its jobs are at looks like left by nobody."""
    theirs = studio.root / "shared/their outbox"
    (theirs / "deep").mkdir(parents=True)
    put_marker(theirs, marker_file.Marker("diffio-watch", "01THEIRS", "outbox", "x", 1))
    for folder in (studio.root / "shared", theirs, theirs / "deep"):
        (folder / names.temp_name(new_id(), "audio")).touch()
    swept = studio.outbox().sweep(lambda _: False)
    assert [path.rpartition("/")[0] for path in swept] == ["shared"]
    told: list[tuple[str, str]] = []
    list(walk.walk(Root(str(studio.root), always), lambda *one: told.append(one)))
    assert [path for path, _ in told] == ["shared/their outbox"]
