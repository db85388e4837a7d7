"""init and check: the first configuration, and the proof that it works here."""

from __future__ import annotations

import grp
import os
import re
import signal
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_place import Place, another_user, command
from commands import Done
from folders import meanwhile, swapped, use
from markers import adopt, put_marker

from diffio_watch.cli import folder_findings
from diffio_watch.cli.init import _key
from diffio_watch.config import load
from diffio_watch.disk import lease, marker
from diffio_watch.disk.mounts import mount_of
from diffio_watch.sandbox import Sandbox


def test_init_writes_a_configuration_that_loads_and_makes_the_folders(place: Place) -> None:
    target, inbox = place.root / "etc" / "mine.yaml", place.root / "ä b" / "in:box"
    done = place.run("init", str(target), "--inbox", str(inbox), "--outbox", "results")
    assert done.code == 0, done.err
    config = load(target, {})
    assert (config.inboxes[0].path, config.inboxes[0].outbox) == (inbox, place.root / "results")
    # whoever reads it means this journal
    assert load(target, {"HOME": "/home/else", "STATE_DIRECTORY": "/else"}).state_dir == config.state_dir
    assert f"state_dir: {config.state_dir}\n" in target.read_text()
    assert inbox.is_dir()
    assert (place.root / "results").is_dir()
    assert "#" in target.read_text()
    assert f"-c {target} check" in done.out


def test_init_says_where_the_key_goes_as_the_one_who_will_run_it_needs_it() -> None:
    """The unit reads a file that only root reads; a person has an environment and a home."""
    assert [line for line in _key(Path("/etc/diffio-watch/config.yaml")) if line.endswith("/etc/diffio-watch/api-key")]
    (told,) = _key(Path("/home/nina/.config/diffio-watch/config.yaml"))
    assert "$DIFFIO_API_KEY" in told
    assert "only you" in told


def test_init_never_touches_an_existing_file(place: Place) -> None:
    before = place.config_file.read_bytes()
    done = place.run("init", str(place.config_file), "--inbox", "x", "--outbox", "y")
    assert done.code == 2
    assert place.config_file.read_bytes() == before
    assert not (place.root / "x").exists()


def test_init_goes_where_the_program_will_look(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = place.root / "new.yaml"
    monkeypatch.setenv("DIFFIO_WATCH_CONFIG", str(wanted))
    assert place.run("init", "--inbox", "a", "--outbox", "b").code == 0
    assert place.run("status").code == 0


@pytest.mark.parametrize(("inbox", "outbox"), [("a", "a"), ("a", "a/b"), ("${HOME}", "b"), (os.fsdecode(b"\xff"), "b")])
def test_init_refuses_folders_that_could_not_work(place: Place, inbox: str, outbox: str) -> None:
    target = place.root / "new.yaml"
    done = place.run("init", str(target), "--inbox", inbox, "--outbox", outbox)
    assert done.code == 2
    assert done.err
    assert "Traceback" not in done.err
    assert not target.exists()


def test_init_makes_folders_for_a_group_and_leaves_those_that_are_there(place: Place) -> None:
    """Whatever the umask: editors write there, and so does the service."""
    number = os.getegid()
    name = grp.getgrgid(number).gr_name
    (place.root / "there").mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        done = place.run("init", str(place.root / "new.yaml"), "--inbox", str(place.root / "a/b/in"), "--outbox",
                         str(place.root / "there"), "--group", name)
    finally:
        os.umask(before)
    assert done.code == 0, done.err
    made, above = (place.root / "a/b/in").stat(), (place.root / "a/b").stat()
    assert (stat.S_IMODE(made.st_mode), made.st_gid, stat.S_IMODE(above.st_mode)) == (0o2775, number, 0o755)
    assert stat.S_IMODE((place.root / "there").stat().st_mode) == 0o700
    assert f"sudo chmod 2775 {place.root / 'there'}" in done.out
    assert f"usermod -aG {name}" in done.out
    unknown = place.run("init", str(place.root / "b.yaml"), "--inbox", "x", "--outbox", "y", "--group", "no-such-group")
    assert (unknown.code, "groupadd no-such-group" in unknown.err) == (2, True)
    assert not (place.root / "x").exists()


@pytest.mark.parametrize("path", ["Z:\\in", "\\\\nas\\in", "smb://nas/in"])
def test_init_makes_no_folder_of_a_path_of_another_machine(place: Place, path: str) -> None:
    done = place.run("init", str(place.root / "new.yaml"), "--inbox", path, "--outbox", "out")
    assert (done.code, "name the mount point" in done.err) == (2, True)
    assert not (place.root / "new.yaml").exists()


def test_init_leaves_no_configuration_behind_where_a_folder_can_not_be_made(place: Place) -> None:
    """The corrected call must not be told that the file exists already."""
    target = place.root / "new.yaml"
    (place.root / "talk.mp3").write_bytes(b"x")
    for folder in ("talk.mp3", "talk.mp3/in"):
        done = place.run("init", str(target), "--inbox", folder, "--outbox", "b")
        assert done.code == 2
        assert re.search(r"/talk\.mp3 is no folder: name another with --inbox", done.err)
        assert not target.exists()
    assert place.run("init", str(target), "--inbox", "a", "--outbox", "b").code == 0


def test_init_names_the_folder_that_it_may_not_write_into_and_not_the_one_below(place: Place) -> None:
    with another_user() as folder:
        done = place.run("init", str(folder / "new.yaml"), "--inbox", "/closed/studio/in", "--outbox", f"{folder}/out")
        assert not (folder / "new.yaml").exists()
    assert done.code == 2
    assert "/closed/studio/in can't be made: this user may not write into /." in done.err
    assert "sudo" in done.err


def levels(done: Done) -> dict[str, set[str]]:
    """The levels of the findings about each subject."""
    found: dict[str, set[str]] = {}
    for finding in done.json["findings"]:
        assert [*finding] == ["level", "subject", "message", "action"]
        found.setdefault(finding["subject"], set()).add(finding["level"])
    return found


@pytest.fixture
def key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFIO_API_KEY", "some-key")


def with_service(place: Place, url: str) -> None:
    place.config_file.write_text(place.config_file.read_text().replace("http://127.0.0.1:1/v1", url))


@pytest.mark.usefixtures("key")
def test_check_finds_nothing_wrong_where_all_is_well_and_leaves_nothing_behind(place: Place) -> None:
    with Sandbox() as service:
        with_service(place, service.base_url)
        done = place.run("check", "--json")
        assert service.charges == 0
        assert service.violations == []
    assert done.code == 0
    assert done.json["ok"] is True
    found = levels(done)
    assert {"configuration", "key", "service", "state_dir", "journal", "inbox podcasts", "outbox of podcasts", "clock",
            "MediaInfo"} <= found.keys()
    assert found["service"] == {"ok"}
    assert not [*place.inbox.iterdir(), *place.outbox.iterdir()]
    assert not place.state.exists()
    assert "Its events arrive" in done.out


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(("account", "level"), [("auth", "error"), ("inactive", "error"), ("ok", "ok")])
def test_check_asks_the_service_about_the_key(place: Place, account: str, level: str) -> None:
    with Sandbox(account=account) as service:
        with_service(place, service.base_url)
        done = place.run("check", "--json")
    assert levels(done)["service"] == {level}
    assert done.code == (0 if level == "ok" else 1)


@pytest.mark.usefixtures("key")
def test_check_tells_a_key_that_may_not_fetch_what_it_buys(place: Place) -> None:
    with Sandbox(permissions=("read", "write")) as service:
        with_service(place, service.base_url)
        done = place.run("check", "--json")
    assert levels(done)["service"] == {"error"}
    assert "fetch results" in done.out


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(("model", "settings", "online", "offline"), [
    ("diffio-4.6-flash", {}, "ok", "ok"),
    ("diffio-4.6-flash", {"retired": {"diffio-4.6-flash"}}, "error", "ok"),
    ("diffio-4.6-flahs", {}, "error", "warning"),
    ("diffio-4.5-pro", {}, "error", "warning"),
    ("diffio-4.5-pro", {"models": "documented"}, "warning", "warning"),
    ("diffio-5-flash", {"more_models": ["diffio-5-flash"]}, "warning", "warning"),
    ("diffio-4.6-pro", {"paid_plan": False}, "error", "ok"),
    ("diffio-4.6-pro", {}, "ok", "ok"),
])
def test_check_tells_a_model_that_the_service_would_refuse_and_buys_nothing(
    place: Place, model: str, settings: dict[str, Any], online: str, offline: str,
) -> None:
    """A typing slip in `model` would stop every file of its inbox after its upload."""
    place.config_file.write_text(place.config_file.read_text().replace(
        '"name": "podcasts"', f'"name": "podcasts", "model": "{model}"'))
    with Sandbox(**settings) as service:
        with_service(place, service.base_url)
        done = place.run("check", "--json")
        assert (service.charges, service.violations) == (0, [])
    assert levels(done)["model"] == {online}
    assert done.code == (1 if online == "error" else 0)
    blind = place.run("check", "--json", "--offline")
    assert levels(blind)["model"] == {offline}
    # nothing is said of the service that was not asked of it
    assert ("The service takes" in done.out) == (online == "ok")
    assert "The service takes" not in blind.out
    assert f"Set `model` to {model}" not in done.out
    if model == "diffio-4.6-flahs":
        assert "Did you mean `model: diffio-4.6-flash`?" in done.out


@pytest.mark.usefixtures("key")
def test_check_tells_a_service_that_does_not_answer_unless_it_is_not_to_ask(place: Place) -> None:
    assert levels(place.run("check", "--json"))["service"] == {"error"}
    offline = place.run("check", "--json", "--offline")
    assert offline.code == 0
    assert "service" not in levels(offline)


def test_check_tells_a_missing_key_and_one_that_everybody_can_read(place: Place, tmp_path: Path) -> None:
    assert levels(place.run("check", "--json", "--offline"))["key"] == {"error"}
    file = tmp_path / "key"
    file.write_text("some-key\n")
    file.chmod(0o644)
    place.config_file.write_text(place.config_file.read_text().replace('"api": {', f'"api": {{"key_file": "{file}", '))
    done = place.run("check", "--json", "--offline")
    assert levels(done)["key"] == {"ok", "warning"}
    assert "some-key" not in done.out


@pytest.mark.usefixtures("key")
def test_check_tells_folders_that_are_missing_or_somebody_elses(place: Place) -> None:
    place.outbox.rmdir()
    put_marker(place.inbox, marker.Marker("diffio-watch", "another", "inbox", "podcasts", 1))
    done = place.run("check", "--offline")
    assert done.code == 1
    assert "is not there" in done.out
    assert "belongs to another journal (another)" in done.out
    assert "journal adopt podcasts" in done.out
    assert "2 errors" in done.out


@pytest.mark.usefixtures("key")
def test_check_tells_a_folder_whose_marker_is_gone(place: Place) -> None:
    with place.journal() as journal:
        adopt(place.inbox, "inbox", "podcasts", marker.Owner(journal.id, 0), journal)
    assert levels(place.run("check", "--offline", "--json"))["inbox podcasts"] & {"error"} == set()
    (place.inbox / marker.NAME).unlink()
    done = place.run("check", "--offline")
    assert done.code == 1
    assert "its marker .diffio-watch is missing" in done.out
    assert "journal adopt podcasts" in done.out


@pytest.mark.usefixtures("key")
def test_check_tells_an_outbox_without_room(place: Place) -> None:
    place.config_file.write_text(place.config_file.read_text()[:-1] + ', "limits": {"min_free": "9999TiB"}}')
    done = place.run("check", "--offline", "--json")
    assert levels(done)["outbox of podcasts"] == {"ok", "error"}


@pytest.mark.usefixtures("key")
def test_check_tells_a_damaged_journal(place: Place) -> None:
    place.add("a.wav")
    (place.state / "journal.sqlite3").write_bytes(b"no database" * 1000)
    assert levels(place.run("check", "--offline", "--json"))["journal"] == {"error"}


def test_check_tells_a_broken_configuration_as_findings_too(place: Place) -> None:
    place.config_file.write_text("inboxes: []\n")
    done = place.run("check", "--json")
    assert done.code == 2
    assert done.json["ok"] is False
    assert levels(done) == {"configuration": {"error"}}


@pytest.mark.usefixtures("key")
def test_check_says_that_the_kernel_tells_who_writes_where_it_does(place: Place) -> None:
    """In a process of its own, with the signals as a shell hands them on."""
    file = place.root / "a"
    file.write_bytes(b"x")
    before = signal.getsignal(signal.SIGIO)
    lease.prepare()
    with file.open("rb") as opened:
        asked = lease.ask(opened.fileno())
    signal.signal(signal.SIGIO, signal.SIG_DFL)  # what is ignored here would be ignored there
    if not mount_of(str(place.inbox)).leases or asked is lease.Answer.NOT_ALLOWED or os.geteuid() != 0:
        pytest.skip("here the kernel does not tell it of other users' files")
    done = subprocess.run(command("check", "--offline"), env=place.env | {
        "DIFFIO_WATCH_CONFIG": str(place.config_file), "DIFFIO_API_KEY": "k"}, capture_output=True, text=True,
        check=False)
    signal.signal(signal.SIGIO, before)
    assert "The kernel says which files are still open for writing." in done.stdout
    assert "CAP_LEASE" not in done.stdout


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("by", ["mount", "a deeper mount"])
def test_check_finds_an_outbox_that_shows_in_an_inbox(place: Place, by: str) -> None:
    """Every restored file would come in again as a recording."""
    door = place.inbox / "show 1" / "results"
    door.parent.mkdir()
    door.mkdir()
    source = place.outbox if by == "mount" else place.root
    if subprocess.run(["mount", "--bind", source, door], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        done = place.run("check", "--offline", "--json")
    finally:
        subprocess.run(["umount", "--lazy", door], check=True)
    (finding,) = (one for one in done.json["findings"] if "shows in the inbox podcasts" in one["message"])
    assert (finding["level"], finding["subject"]) == ("error", "outbox of podcasts")
    assert str(door) in finding["message"]
    assert list(place.outbox.iterdir()) == []


@pytest.mark.usefixtures("key")
def test_check_tells_a_folder_in_an_inbox_that_is_not_looked_through(place: Place) -> None:
    (place.inbox / "show/out").mkdir(parents=True)
    put_marker(place.inbox / "show/out", marker.Marker("diffio-watch", "another", "outbox", "x", 1))
    done = place.run("check", "--offline")
    assert done.code == 0
    assert f"{place.inbox}/show/out holds a marker of its own" in done.out.replace("\n", " ")


@pytest.mark.parametrize("used", [False, True])
def test_check_tells_a_folder_that_was_mounted_just_now_as_such(
    place: Place, monkeypatch: pytest.MonkeyPatch, *, used: bool,
) -> None:
    """Adopting it would be wrong: it may be the folder beneath."""
    if used:
        with place.journal() as journal:
            use(journal, "podcasts", inbox=place.inbox, outbox=place.outbox)
            (place.inbox / marker.NAME).unlink()
            memory = journal.folders.get("inbox", "podcasts")
            assert memory is not None
            journal.folders.set(replace(memory, marked=False))
    meanwhile(monkeypatch, marker.Held, "mount", before=lambda: swapped(place.inbox))
    config = place.config
    finding = folder_findings.folders(config, config.inboxes[0], None)[0]
    assert (finding.level, finding.message) == (
        "error", f"{place.inbox}: it was mounted, unmounted or replaced just now.")
    assert finding.action == "Run `check` again."
