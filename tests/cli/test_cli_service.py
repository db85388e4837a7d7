"""A command of root goes on as the service does: its user, and the groups, rights and key that the unit gives it."""

from __future__ import annotations

import grp
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest
from cli_place import NOBODY, REPOSITORY, Place, clean, command

from diffio_watch.cli import accounts, service
from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.reasons import because

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
STATUS = """Name:\tpython3
Uid:\t997\t998\t997\t997
Gid:\t1000\t1000\t1000\t1000
Groups:\t1000 1001
CapEff:\t{effective}
"""


@pytest.mark.parametrize(("effective", "lease"), [("0000000010000000", True), ("0000000000000000", False),
                                                  ("000001ffefffffff", False), ("000001ffffffffff", True)])
def test_what_the_running_daemon_has_is_read_from_the_kernel(effective: str, lease: bool) -> None:
    found = service.of_process(STATUS.format(effective=effective), "0::/system.slice/diffio-watch.service\n")
    assert found == service.Service("diffio-watch.service", 998, 1000, (1000, 1001), lease=lease, running=True)


@pytest.mark.parametrize("cgroup", ["", "0::/\n", "0::/user.slice/user-0.slice/session-3.scope\n"])
def test_a_daemon_that_no_unit_started_has_none(cgroup: str) -> None:
    assert service.of_process(STATUS.format(effective="0"), cgroup).unit == ""


def test_a_unit_s_groups_come_on_top_of_its_user_s_own() -> None:
    group = grp.getgrall()[-1].gr_name
    shown = (f"User=nobody\nGroup={group}\nSupplementaryGroups=4242 {group}\nAmbientCapabilities=cap_chown cap_lease\n"
             "StateDirectory=diffio-watch more\nLoadState=loaded\n")
    found = service.of_unit("diffio-watch.service", shown)
    assert found is not None
    gid = grp.getgrnam(group).gr_gid
    assert (found.uid, found.gid, found.lease) == (NOBODY, gid, True)
    assert {gid, 4242} <= set(found.groups)
    assert found.makes(Path("/var/lib/diffio-watch"))
    assert not found.makes(Path("/var/lib/other"))


@pytest.mark.parametrize("shown", [
    "", "LoadState=not-found\n", "LoadState=masked\nUser=nobody\n", "User=nobody-knows-him\nLoadState=loaded\n",
    "User=nobody\nGroup=nobody-knows-it\nLoadState=loaded\n",
    "User=nobody\nSupplementaryGroups=x-y\nLoadState=loaded\n",
])
def test_a_unit_that_can_start_nothing_is_none(shown: str) -> None:
    assert service.of_unit("diffio-watch.service", shown) is None


@pytest.fixture
def studio() -> Iterator[Path]:
    """Folders that only groups may use, and a journal of nobody's, where everybody may look: pytest's are closed."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)
        for name, group in (("in", 4242), ("out", 4243)):
            (root / name).mkdir()
            os.chown(root / name, 0, group)
            (root / name).chmod(0o2770)
        (root / "state").mkdir(0o700)
        os.chown(root / "state", NOBODY, NOBODY)
        (root / "config.yaml").write_text(json.dumps({
            "state_dir": str(root / "state"), "limits": {"min_free": 0},
            "inboxes": [{"name": "podcasts", "path": str(root / "in"), "outbox": str(root / "out")}]}))
        (root / "key").touch(0o600)
        (root / "key").write_text("canary-of-the-unit")
        (root / "cat").write_text(
            f"[Service]\n#LoadCredential=diffio-api-key:/no\nLoadCredential=diffio-api-key:{root / 'key'}\n")
        (root / "systemctl").write_text(_SYSTEMCTL.format(root=root))
        (root / "systemctl").chmod(0o755)
        yield root


_SYSTEMCTL = """#!/bin/sh
case "$*" in
  *list-unit-files*) echo "diffio-watch.service disabled enabled";;
  *show*) cat {root}/show;;
  *cat*) cat {root}/cat;;
esac
"""


@needs_root
def test_check_of_root_is_green_where_the_unit_s_groups_open_the_folders(studio: Path) -> None:
    """The user alone is refused; `Group=` and `SupplementaryGroups=` let it in, as they let the service in."""
    env = clean(os.environ) | {"PATH": f"{studio}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY),
                               "DIFFIO_API_KEY": "root-s-own"}

    def check(*unit: str) -> tuple[int, dict[str, list[str]]]:
        (studio / "show").write_text("\n".join(unit))
        done = programs.run(  # it has loaded the package, which may lie where only root looks
            command("-c", str(studio / "config.yaml"), "check", "--offline", "--json"),
            env=env, capture_output=True, text=True, check=False, timeout=60)
        assert "canary-of-the-unit" not in done.stdout + done.stderr
        assert done.stdout, done.stderr
        found: dict[str, list[str]] = {}
        for one in json.loads(done.stdout)["findings"]:
            found.setdefault(one["subject"], []).append(f"{one['level']}: {one['message']}")
        return done.returncode, found

    code, found = check("LoadState=loaded", "User=nobody", "Group=4242", "SupplementaryGroups=4243",
                        "AmbientCapabilities=cap_lease")
    assert code == 0, found
    (told,) = found["user"]
    assert told.startswith("ok: This looks as the service diffio-watch.service does: as nobody, with the groups #4242")
    assert told.endswith("#4243, and CAP_LEASE.")
    assert found["key"][0] == f"ok: systemd gives it to the service, from {studio}/key."
    assert "ok: The kernel says which files are still open for writing." in found["inbox podcasts"]
    (studio / "key").write_text("\n")
    code, found = check("LoadState=loaded", "User=nobody", "Group=4242", "SupplementaryGroups=4243")
    assert code == 1
    # root's own is not what the service would have
    assert found["key"] == [f"error: systemd is to give it to the service from {studio}/key, and there is none in it."]
    del env["DIFFIO_API_KEY"]
    code, found = check("LoadState=not-found")
    assert code == 1
    assert found["inbox podcasts"] == [f"error: {studio}/in can't be read by this user."]
    assert found["key"] == ["error: There is no API key."]


@needs_root
def test_a_copy_that_root_puts_in_the_journal_s_place_becomes_the_service_s(studio: Path) -> None:
    """As the words on a lost journal advise: `sudo cp`, then `sudo diffio-watch journal rebuild`."""
    env = clean(os.environ) | {"PYTHONPATH": str(REPOSITORY), "DIFFIO_API_KEY": "some-key"}
    state = studio / "state"
    (studio / "made").mkdir()
    Journal.open(studio / "made", create=True).close()
    shutil.copy(studio / "made/journal.sqlite3", state)
    assert (state / "journal.sqlite3").stat().st_uid == 0
    done = programs.run(command("-c", str(studio / "config.yaml"), "status"), env=env, capture_output=True, text=True,
                        check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (state / "journal.sqlite3").stat().st_uid == NOBODY


@needs_root
@pytest.mark.parametrize("kind", ["link", "second name", "folder", "FIFO", "somebody's"])
def test_nothing_else_that_lies_there_is_given_away(tmp_path: Path, kind: str) -> None:
    """The service's user makes the names in its folder; root must not follow them."""
    state, secret, name = tmp_path / "state", tmp_path / "secret", tmp_path / "state/journal.sqlite3"
    state.mkdir()
    secret.write_text("root's")
    match kind:
        case "link":
            name.symlink_to(secret)
        case "second name":
            name.hardlink_to(secret)
        case "folder":
            name.mkdir()
        case "FIFO":
            os.mkfifo(name)
        case _:
            name.touch()
            os.chown(name, 1, 1)
    before = name.lstat().st_uid
    service._hand_over(state, NOBODY, NOBODY)
    assert (name.lstat().st_uid, secret.stat().st_uid) == (before, 0)


def test_who_asks_is_the_person_behind_sudo() -> None:
    mine = accounts.asker({})
    assert mine
    expected = "anna (sudo)" if os.getuid() == 0 else mine
    assert accounts.asker({"SUDO_USER": "anna"}) == expected  # who is not root says himself only who he is


def test_what_a_person_did_stands_in_the_history_of_each_job_it_changed(place: Place,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "anna")
    held = place.add("a.wav", state=State.HELD, because=because("daily_limit"))
    other = place.add("b.wav")
    assert place.run("approve", held.id).code == 0
    with place.journal() as journal:
        assert any(event.detail == f"approve: asked by {accounts.asker()}" for event in journal.jobs.history(held.id))
        assert not any("asked by" in event.detail for event in journal.jobs.history(other.id))
