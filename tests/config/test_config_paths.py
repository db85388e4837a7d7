from __future__ import annotations

import os
import pwd
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from diffio_watch.config import ConfigError, default_state_dir, find, parse, paths, standard_places
from diffio_watch.config.errors import Wrong


def place(what: str, path: Path | str) -> paths.Place:
    return paths.Place(f"the {what}", what, None, Path(path))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/srv/in", "/srv/in"),
        ("~", "/home/ed"),
        ("~/in", "/home/ed/in"),
        ("~root/in", pwd.getpwnam("root").pw_dir + "/in"),
        ("${NAS}/in", "/mnt/nas/in"),
        ("/srv/${SHOW}/${SHOW}", "/srv/a b/a b"),
        ("/srv/$RECYCLE.BIN", "/srv/$RECYCLE.BIN"),
        ("/srv/a~b", "/srv/a~b"),
        ("/srv/a:/b\\c", "/srv/a:/b\\c"),
        ("//tmp/in", "//tmp/in"),
        ("${ODD}", "/srv/\udcff"),
        (Path("/srv/${NAS}"), "/srv/${NAS}"),
    ],
)
def test_home_folders_and_variables_are_expanded(written: Any, meant: str) -> None:
    env = {"HOME": "/home/ed", "NAS": "/mnt/nas", "SHOW": "a b", "ODD": "/srv/\udcff"}
    assert paths.expand(written, env) == Path(meant)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("in", "`/srv/in`"),
        ("./in", "`/srv/in`"),
        ("../in", "`/srv/in`"),
        ("", "an absolute path"),
        ("/srv/\0", "an absolute path"),
        (5, "an absolute path"),
        (Path("in"), "an absolute path"),
        ("${NOPE}/in", "`Environment=NOPE=…`"),
        ("${EMPTY}/in", "variable EMPTY is empty"),
        ("${NOPE:-/x}/in", "Write `${NAME}`"),
        ("/srv/${NOPE", "Write `${NAME}`"),
        ("/srv/${}", "Write `${NAME}`"),
        ("~nobody-of-this-name/in", "There is no user"),
        ("${REL}/in", "is not an absolute path"),
        ("Z:\\audio\\in", "a Windows drive"),
        ("Z:\audio", "a Windows drive"),  # in double quotes `\a` is a bell
        ("c:/in", "a Windows drive"),
        ("\\\\nas\\studio\\in", "a share on another machine"),
        ("//nas-of-no-such-name/studio/in", "name the mount point"),
        ("nas:/export/in", "name the mount point"),
        ("smb://nas/studio/in", "name the mount point"),
        ("file:///srv/in", "name the mount point"),
    ],
)
def test_what_is_no_absolute_path_is_told(written: Any, told: str) -> None:
    with pytest.raises(Wrong) as caught:
        paths.expand(written, {"EMPTY": "", "REL": "~/x"})
    assert told in f"{caught.value.message} {caught.value.remedy}"


def test_a_configuration_is_looked_for_in_this_order(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "DIFFIO_WATCH_CONFIG": "~/named.yaml"}
    own = tmp_path / ".config/diffio-watch/config.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find("given.yaml", env) == Path("given.yaml")
    assert find(None, env) == tmp_path / "named.yaml"
    assert find(None, env | {"DIFFIO_WATCH_CONFIG": ""}) == own
    assert standard_places(env) == [own, Path("/etc/diffio-watch/config.yaml")]


def test_the_current_folder_is_never_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".config/diffio-watch").mkdir(parents=True)
    for name in ("config.yaml", ".config/diffio-watch/config.yaml", "diffio-watch.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "standard_places", lambda env: standard_places(env)[:-1])  # this machine may have one
    for home in (".", "", str(tmp_path / "elsewhere")):
        with pytest.raises(ConfigError, match="diffio-watch init"):
            find(None, {"HOME": home})


def test_a_configuration_that_can_not_be_looked_at_is_not_passed_over(tmp_path: Path) -> None:
    own = tmp_path / ".config/diffio-watch/config.yaml"
    own.parent.mkdir(parents=True)
    own.symlink_to(own)
    assert find(None, {"HOME": str(tmp_path)}) == own


def test_the_state_s_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_state_dir({"STATE_DIRECTORY": "/var/lib/x"}) == Path("/var/lib/x")
    assert default_state_dir({"STATE_DIRECTORY": "/var/lib/x:/var/lib/diffio-watch"}) == Path("/var/lib/diffio-watch")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_state_dir({"HOME": "/home/ed"}) == Path("/var/lib/diffio-watch")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for given in ({}, {"STATE_DIRECTORY": "relative"}):
        assert default_state_dir({"HOME": "/home/ed"} | given) == Path("/home/ed/.local/state/diffio-watch")
        # whoever reads the service's configuration means the service's journal
        for file in ("/etc/diffio-watch/config.yaml", "/etc/x.yaml"):
            assert default_state_dir({"HOME": "/home/ed"} | given, file) == Path("/var/lib/diffio-watch")
    assert default_state_dir({"STATE_DIRECTORY": "/var/lib/x"}, "/etc/x.yaml") == Path("/var/lib/x")


@pytest.mark.parametrize(
    ("first", "second", "how"),
    [
        ("/srv/a", "/srv/a", "is the same folder as"),
        ("/srv/a", "/srv/a/", "is the same folder as"),
        ("/srv/a", "/srv/b/../a", "is the same folder as"),
        ("/srv/a", "/srv/a/b/c", "lies inside"),
        ("/srv/a/b", "/srv/a", "lies around"),
        ("/srv/a", "/", "lies around"),
        ("/", "/srv", "lies inside"),
    ],
)
def test_folders_that_touch_are_refused(first: str, second: str, how: str) -> None:
    (problem,) = paths.overlaps([place("one", first), place("other", second)])
    assert problem.path == "other"
    assert how in problem.message


@pytest.mark.parametrize(("first", "second"), [("/s/a", "/s/ab"), ("/s/a b", "/s/a"), ("/s/x/in", "/s/x/out")])
def test_neighbours_are_no_trouble(first: str, second: str) -> None:
    assert paths.overlaps([place("one", first), place("other", second)]) == []


def test_folders_are_compared_by_their_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (problem,) = paths.overlaps([place("one", tmp_path / "real"), place("other", tmp_path / "link/not yet")])
    assert problem.message == f"The other ({tmp_path}/real/not yet) lies inside the one."


@pytest.mark.parametrize(("first", "second", "how"), [
    ("a/in", "b/in", "is the same folder as"),
    ("a/in", "b/in/out", "lies inside"),
    ("a/in", "b/in/not/yet", "lies inside"),
    ("a/not yet", "b/not yet", "is the same folder as"),
    ("a/in/out", "b/in", "lies around"),
    ("a/in", "b", "lies around"),
    ("a/in", "b/other", None),
    ("a/in", "b/in2", None),
])
def test_a_folder_that_is_mounted_twice_is_one(tmp_path: Path, first: str, second: str, how: str | None) -> None:
    """Both paths are real ones: device and inode tell."""
    (tmp_path / "a/in/out").mkdir(parents=True)
    (tmp_path / "a/in2").mkdir()
    (tmp_path / "b").mkdir()
    if subprocess.run(["mount", "--bind", tmp_path / "a", tmp_path / "b"], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        found = paths.overlaps([place("one", tmp_path / first), place("other", tmp_path / second)])
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "b"], check=True)
    assert [problem.message for problem in found] == ([f"The other {how} the one, by another mount."] if how else [])


def test_a_share_that_does_not_answer_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    never, real = threading.Event(), os.path.realpath

    def hang(path: Path) -> str:
        if "hung" in str(path):
            never.wait()
        return real(path)

    monkeypatch.setattr(os.path, "realpath", hang)
    monkeypatch.setattr(paths, "_PATIENCE", 0.05)
    found = paths.overlaps([place("hung", "/mnt/hung"), place("inside", "/mnt/hung/x"), place("other", "/srv")])
    never.set()
    assert [problem.message for problem in found] == ["The inside lies inside the hung."]


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("inboxes: [{name: a, path: /x, outbox: /x}]", "inboxes[0].outbox"),
        ("inboxes: [{name: a, path: /x/in, outbox: /x}]", "inboxes[0].outbox"),
        ("inboxes: [{name: a, path: /x, outbox: /y, archive: /x/done}]", "inboxes[0].archive"),
        ("inboxes: [{name: a, path: /x, outbox: /y, archive: /y}]", "inboxes[0].archive"),
        ("inboxes: [{name: a, path: /x, outbox: /y}, {name: b, path: /x/b, outbox: /z}]", "inboxes[1].path"),
        ("inboxes: [{name: a, path: /x, outbox: /y}, {name: b, path: /z, outbox: /y}]", "inboxes[1].outbox"),
        ("inboxes: [{name: a, path: /x, outbox: /y}, {name: b, path: /z, outbox: /x}]", "inboxes[1].outbox"),
        ("inboxes: [{name: a, path: /x, outbox: /y}, {name: b, path: /y/2, outbox: /z}]", "inboxes[1].path"),
        ("state_dir: /x/state\ninboxes: [{name: a, path: /x, outbox: /y}]", "inboxes[0].path"),
        ("state_dir: /y\ninboxes: [{name: a, path: /x, outbox: /y/out}]", "inboxes[0].outbox"),
        ("inboxes: [{name: a, path: '${H}/x', outbox: ~/x}]", "inboxes[0].outbox"),
    ],
)
def test_no_folder_of_a_configuration_may_be_hold_or_lie_in_another(text: str, setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), {"HOME": "/home/ed", "H": "/home/ed"})
    assert [problem.path for problem in caught.value.problems] == [setting]
