"""The environments in /opt/diffio-watch: whole or none, the one in use is never touched."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from diffio_watch.install import program, system


def environment(base: Path, name: str, *, whole: bool = True, age: int = 0) -> Path:
    folder = base / name
    folder.mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    if whole:
        (folder / "diffio-watch.json").write_text('{"version": "1", "wheel": "00", "extras": []}')
        os.utime(folder / "diffio-watch.json", (1e9 - age, 1e9 - age))
    return folder


def test_what_was_not_finished_is_none(tmp_path: Path) -> None:
    environment(tmp_path, "1", whole=False)
    (tmp_path / "current").symlink_to("1")
    assert program.current(tmp_path) is None
    assert program.others(tmp_path) == []


def test_the_way_back_is_the_newest_other_and_older_ones_go(tmp_path: Path) -> None:
    old, before, now = (environment(tmp_path, name, age=age) for name, age in (("1", 20), ("2", 10), ("3", 0)))
    system.link(tmp_path / "current", "3")
    assert (program.current(tmp_path), program.others(tmp_path)) == (now, [before, old])
    assert program.prune(tmp_path) == [old]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3", "current"]


def test_a_link_changes_in_one_step_and_a_folder_is_never_replaced_by_one(tmp_path: Path) -> None:
    system.link(tmp_path / "current", "1")
    system.link(tmp_path / "current", "2")
    assert (tmp_path / "current").readlink() == Path("2")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        system.link(tmp_path / "folder", "2")


def test_a_python_in_a_home_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_SYSTEM_PYTHON", str(tmp_path / "none"))
    monkeypatch.setattr(program, "in_home", lambda _: True)
    with pytest.raises(program.Refused, match="in somebody's home, which the service does not see"):
        program.interpreter(sys.executable)


def test_a_python_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(program.Refused, match="python3-venv"):
        program.interpreter(str(tmp_path / "python3"))


def test_two_installations_at_once_are_one_and_a_sentence(tmp_path: Path) -> None:
    with system.alone(tmp_path), pytest.raises(system.Broke, match="Another installation is at work"), \
            system.alone(tmp_path):
        pass


def test_a_command_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(system.Broke, match=r"ended with 3: no such luck"):
        system.run(sys.executable, "-c", "print('no such luck'); raise SystemExit(3)")


def test_a_shell_s_own_python_settings_reach_no_environment() -> None:
    kept = {"PIP_INDEX_URL": "https://mirror", "PATH": "/bin"}
    assert system.clean({"PYTHONPATH": "/x", "PIP_TARGET": "/y", **kept}) == kept
