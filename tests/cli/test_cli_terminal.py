"""What a person sees on a terminal of 80 columns, and what can be copied from there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import termios
from contextlib import nullcontext

import programs
import pytest
from cli_place import Place, at_a_terminal, command
from markers import put_marker

from diffio_watch.disk import marker_file
from diffio_watch.job import Output, State
from diffio_watch.journal import Halt, Lock
from diffio_watch.journal.records import InboxReport, SettlingEntry
from diffio_watch.reasons import because


def test_hints_name_the_configuration_that_the_command_was_given(place: Place) -> None:
    """Copied without it, they would act on another one."""
    other = place.root / "it is mine.yaml"
    failed = place.add("a.wav", state=State.FAILED, because=because("not_media", job="J"))
    hint = f"`diffio-watch -c '{other}' retry --as-is "
    place.config_file.rename(other)
    named = ["-c", str(other)]
    assert f"{hint}{failed.id}`" in place.run(*named, "retry", failed.id).err
    assert f"{hint}J`" in re.sub(r"\s+", " ", place.run("show", failed.id, *named).out)
    assert f"diffio-watch -c '{other}' explain" in place.run("show", "x.wav", *named).err
    other.rename(place.config_file)
    assert "`diffio-watch retry --as-is " in place.run("retry", failed.id).err


def test_the_daemons_own_hints_name_its_configuration(place: Place) -> None:
    put_marker(place.inbox, marker_file.Marker("diffio-watch", "another", "inbox", "podcasts", 1))
    done = programs.run(command("run", "-c", str(place.config_file)), env=place.env, capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 2
    assert f"`diffio-watch -c {place.config_file} journal adopt podcasts`" in done.stderr


def test_a_hint_in_json_is_as_it_was_journalled(place: Place) -> None:
    place.add("a.wav", state=State.FAILED, because=because("not_media", job="J"))
    told = place.run("-c", str(place.config_file), "jobs", "--json").json
    assert "`diffio-watch retry --as-is J`" in told[0]["because"]["action"]


def test_on_a_terminal_no_word_no_path_and_no_hint_is_broken(place: Place) -> None:
    failed = place.add("a.wav", state=State.FAILED, because=because("not_media", job="J"))
    _, told = at_a_terminal(place, "", "retry", failed.id, columns=80)
    assert f"`diffio-watch retry --as-is {failed.id}`" in told
    assert max(map(len, told.splitlines())) <= 80
    target = place.root / ("a-rather-long-name " * 5) / "config.yaml"
    _, told = at_a_terminal(place, "", "init", str(target), "--inbox", "a", "--outbox", "b", columns=80)
    assert f"  {target}\n" in told.replace("\r", "")
    assert f"  diffio-watch -c '{target}' check\n" in told.replace("\r", "")


def test_a_terminal_of_another_encoding_shows_and_types_names_in_its_own(place: Place) -> None:
    """Names are UTF-8 whatever the locale says; what is printed has to be legible where it is read."""
    built = subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(place.root / "de_DE.ISO-8859-1")],
                           capture_output=True, check=False) if shutil.which("localedef") else None
    if built is None or not (place.root / "de_DE.ISO-8859-1").exists():
        pytest.skip("no locale can be made here")
    env = {"LOCPATH": str(place.root), "LC_ALL": "de_DE.ISO-8859-1", "PYTHONIOENCODING": ""}
    place.add("grün 日本.wav", state=State.FAILED, because=because("not_media", job="J"))
    ours = {name: value for name, value in (place.env | env).items() if name != "PYTHONIOENCODING"}
    bare = Place(place.root, place.config_file, place.capture, ours)
    _, told = at_a_terminal(bare, "", "jobs", encoding="latin-1", columns=200)
    assert "grün \\u65e5\\u672c.wav" in told
    (place.inbox / "grün.wav").write_bytes(b"x")
    _, told = at_a_terminal(bare, "", "explain", os.fsdecode("podcasts:grün.wav".encode("latin-1")),
                               encoding="latin-1", columns=200)
    assert "grün.wav: it is not picked up yet" in told
    piped = programs.run(command("jobs"), env=ours | {"DIFFIO_WATCH_CONFIG": str(place.config_file)},
                           capture_output=True, check=True)
    assert "grün 日本.wav".encode() in piped.stdout


@pytest.mark.parametrize("terminal", [True, False])
def test_where_the_encoding_has_no_bars_they_are_drawn_with_what_it_has(place: Place, *, terminal: bool) -> None:
    place.add(f"{'long' * 60}.wav", state=State.WAITING, progress=42.0)
    env = {"PYTHONIOENCODING": "ascii"}
    if terminal:
        _, told = at_a_terminal(place, "", "status", env=env)
    else:
        told = programs.run(command("status"), env=place.env | env | {"DIFFIO_WATCH_CONFIG": str(place.config_file)},
                              capture_output=True, check=True, text=True).stdout
    assert "----" in told
    assert "\\u" not in told


EVIL = "\x1b]0;x\x07\x1b[2J\u202egnp\u2028.wav"


@pytest.mark.parametrize("arguments", [
    ["explain", EVIL], ["show", EVIL], ["retry", EVIL], ["cancel", EVIL, "--json"], ["jobs", "--inbox", EVIL],
    ["jobs", "--reason", EVIL], ["jobs", "--state", EVIL], ["jobs", "--since", EVIL], ["--" + EVIL], [EVIL],
    ["pause", EVIL], ["-c", EVIL, "status"], ["init", EVIL, "--inbox", "in", "--outbox", "in"],
    ["init", EVIL, "--inbox", EVIL, "--outbox", "out"], ["init", "x", "--inbox", "i", "--outbox", "o", "--group", EVIL],
    ["journal", "backup", EVIL], ["journal", "adopt", EVIL], ["remote", "download", EVIL], ["demo", EVIL],
    ["retry", "--failed", "--since", EVIL], ["completion", EVIL], ["sandbox", "--port", EVIL],
], ids=lambda arguments: " ".join(arguments).replace(EVIL, "EVIL"))
def test_no_argument_acts_on_the_terminal_wherever_it_is_repeated(place: Place, arguments: list[str]) -> None:
    """The shell puts names of files there that whoever types has never read."""
    place.add("a.wav")
    done = place.run(*arguments)
    assert not set(done.out + done.err) & {"\x1b", "\x07", "\u202e", "\u2028"}


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["jobs"], ["jobs", "--json"],
                                     ["show", "podcasts:*"], ["show", "podcasts:*", "--json"],
                                     ["explain", "podcasts:*"], ["explain", "podcasts:*", "--json"],
                                     ["retry", "podcasts:*"], ["retry", "podcasts:*", "--json"],
                                     ["cancel", "podcasts:*"], ["bump", "podcasts:*"], ["approve", "podcasts:*"],
                                     ["journal", "export"]], ids=" ".join)
def test_no_name_and_no_foreign_word_acts_on_the_terminal(place: Place, command: list[str]) -> None:
    """In the journal stand names that editors chose and words that the service said."""
    words = {"because": because("rejected", detail=EVIL), "notes": (EVIL,), "project_id": EVIL, "generation_id": EVIL,
             "model_key": EVIL, "outputs": (Output("audio", "published", EVIL, note=EVIL),)}
    place.add(EVIL, state=State.FAILED, **words)
    with place.journal() as journal:
        journal.halts.set(Halt("account", because("billing", detail=EVIL), 1.0, None))
        journal.inboxes.settling("podcasts", [SettlingEntry(EVIL + "2", because("unreadable", detail=EVIL), 1.0, None)])
        journal.inboxes.report(InboxReport("podcasts", available=False, watch="events", filesystem="",
                                           settle_seconds=2.0,
                                   note=EVIL, stopped=because("unavailable", detail=EVIL, inbox="podcasts")))
    for resting in (True, False):
        with nullcontext() if resting else Lock(place.state):
            if not resting and command[0] in {"retry", "cancel", "bump", "approve"}:
                continue  # nobody would answer
            done = place.run(*[word.replace("*", EVIL) for word in command])
        assert not set(done.out + done.err) & {"\x1b", "\x07", "\u202e", "\u2028"}


def test_a_terminal_that_moves_no_cursor_is_printed_to_whenever_something_changed(place: Place) -> None:
    """As an editor's shell or a serial line: a picture that is drawn over itself shows nothing there."""
    place.add("a.wav", state=State.WAITING, progress=42.0)
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = programs.Program(command("status", "-f"), stdin=theirs, stdout=theirs, stderr=theirs,
                               env={**place.env, "DIFFIO_WATCH_CONFIG": str(place.config_file), "TERM": "dumb"})
    os.close(theirs)
    told = b""
    while b"42 %" not in told:
        told += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    os.close(ours)
    assert b"\x1b" not in told
    assert max(len(line) for line in told.decode().splitlines()) <= 80


def test_what_comes_into_a_folders_place_while_a_person_thinks_is_not_taken_over(place: Place) -> None:
    """A share that is unmounted meanwhile leaves a folder that nobody was asked about."""
    put_marker(place.inbox, marker_file.Marker("diffio-watch", "another", "inbox", "podcasts", 1))

    def meanwhile() -> None:
        place.inbox.rename(place.root / "share")
        place.inbox.mkdir()

    code, lines = at_a_terminal(place, "y\n", "journal", "adopt", before=meanwhile)
    told = " ".join(lines.split())  # it is wrapped where the paths have it
    assert code == 1
    assert "can't be taken over: it was mounted, unmounted or replaced just now. Mount or mend it, and run " in told
    assert "Taken over: the outbox of podcasts" in told
    assert list(place.inbox.iterdir()) == []
    found = marker_file.read(str(place.root / "share"))
    assert found is not None
    assert found.journal == "another"
