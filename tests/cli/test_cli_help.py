"""Help answers at once, and tells every command of the outside contract."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import programs
import pytest
from cli_place import Place, command

from diffio_watch import __version__
from diffio_watch.cli import group
from diffio_watch.report.running import as_typed

HEAVY = {"pydantic", "httpx", "rich", "structlog", "starlette", "uvicorn", "watchdog", "pymediainfo", "tenacity",
         "asyncio", "email", "importlib.metadata", "concurrent.futures"}
COMMANDS = {
    "demo", "init", "check", "run", "once", "status", "jobs", "show", "explain", "retry", "cancel", "approve", "pause",
    "resume", "bump", "journal", "remote", "sandbox", "completion", "service",
}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["status", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert not HEAVY & loaded(arguments)


@pytest.mark.parametrize(("arguments", "needed"), [
    (["status"], {"rich"}), (["status", "--json"], set()), (["jobs"], {"rich"}), (["explain", "a.wav"], {"rich"}),
    (["explain", "a.wav", "--json"], set())], ids=str)
def test_commands_that_look_on_import_nothing_heavy_but_what_draws(
        place: Place, arguments: list[str], needed: set[str]) -> None:
    """They are asked again and again, by people and by scripts: half of their time went into what they did not use."""
    place.add("a.wav")
    (place.inbox / "a.wav").write_bytes(b"RIFF")
    found = loaded(["-c", str(place.config_file), *(f"podcasts:{one}" if one == "a.wav" else one for one in arguments)])
    assert HEAVY & found == needed


def loaded(arguments: Sequence[str]) -> set[str]:
    """The modules that a command loads."""
    program = ("import json, sys\nfrom diffio_watch.cli import main\n"
               "try: main(sys.argv[1:])\nexcept SystemExit as end: code = end.code\n"
               "print(json.dumps([code, *sorted(sys.modules)]))")
    told = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=True, text=True)
    code, *names = json.loads(told.stdout.splitlines()[-1])
    assert code == 0, told.stderr
    return set(names)


def test_every_command_is_there_and_told_in_one_section() -> None:
    assert set(group.commands) == COMMANDS
    told = subprocess.run(command("--help"), capture_output=True, check=True, text=True).stdout
    for name in COMMANDS:
        assert sum(line.startswith(f"  {name} ") for line in told.splitlines()) == 1, name


def test_journal_and_remote_have_their_commands() -> None:
    journal, remote = group.commands["journal"], group.commands["remote"]
    assert isinstance(journal, click.Group)
    assert isinstance(remote, click.Group)
    assert set(journal.commands) >= {"adopt", "export"}
    assert set(remote.commands) == {"projects", "generations", "download", "usage", "test-event"}


def test_each_commands_help_tells_its_exit_codes() -> None:
    def walk(one: click.Command, name: str) -> None:
        told = one.get_help(click.Context(one, info_name=name))
        assert re.search(r"Exit codes: 0: .*2:\s+wrong\s+usage", told, re.DOTALL), name
        for below in one.commands.values() if isinstance(one, click.Group) else ():
            walk(below, below.name or "")

    walk(group, "diffio-watch")
    once = group.commands["once"].get_help(click.Context(group.commands["once"], info_name="once"))
    assert re.search(r"a\s+file\s+failed,\s+is\s+held", once)


def test_each_option_and_command_says_what_it_does() -> None:
    def walk(one: click.Command) -> None:
        assert one.help, one.name
        for parameter in one.params:
            if isinstance(parameter, click.Option) and parameter.name not in {"mode", "event_type"}:
                assert parameter.help, (one.name, parameter.name)
        for below in one.commands.values() if isinstance(one, click.Group) else ():
            walk(below)

    walk(group)


@pytest.mark.parametrize("before", [True, False])
def test_the_configuration_may_be_named_before_or_after_the_command(place: Place, *, before: bool) -> None:
    other = place.config_file.with_name("other.yaml")
    place.config_file.rename(other)
    named = ["-c", str(other)]
    done = place.run(*(named if before else []), "jobs", "--json", *([] if before else named))
    assert (done.code, done.json) == (0, [])


def test_version_is_told(place: Place) -> None:
    assert place.run("--version").out == f"diffio-watch {__version__}\n"


def test_a_wrong_word_is_wrong_usage(place: Place) -> None:
    for wrong in (["nonsense"], ["jobs", "--state", "asleep"], ["jobs", "--limit", "-1"], ["retry"], ["cancel"],
                  ["retry", "--failed", "x"], ["retry", "x", "--model", "m"], ["approve"], ["approve", "x", "--all"]):
        done = place.run(*wrong)
        assert done.code == 2, wrong
        assert "Traceback" not in done.err


def test_a_broken_configuration_tells_every_error_and_ends_with_2(place: Place) -> None:
    place.config_file.write_text("inboxes: [{name: a b, path: relative, outbox: /x}]\nnonsense: 1\n")
    for words in (["status"], ["jobs", "--json"], ["run"], ["once"], ["pause"], ["check"], ["remote", "projects"]):
        done = place.run(*words)
        assert done.code == 2, words
        assert done.err.count("line ") == 3, done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(place: Place, shell: str) -> None:
    done = place.run("completion", shell)
    assert done.code == 0
    assert "_DIFFIO_WATCH_COMPLETE" in done.out


def test_the_shell_is_told_commands_states_and_inboxes(place: Place) -> None:
    def completed(line: str) -> set[str]:
        env = place.env | {"_DIFFIO_WATCH_COMPLETE": "bash_complete", "COMP_WORDS": line,
                           "COMP_CWORD": str(len(line.split(" ")) - 1), "DIFFIO_WATCH_CONFIG": str(place.config_file)}
        told = programs.run(command(), env=env, capture_output=True, check=True, text=True)
        return {entry.partition(",")[2] for entry in told.stdout.split()}

    assert completed("diffio-watch re") == {"retry", "resume", "remote"}
    assert completed("diffio-watch jobs --state de") == {"delivered"}
    assert completed("diffio-watch pause po") == {"podcasts"}
    assert completed("diffio-watch jobs --reason trunc") == {"truncated"}


@pytest.mark.parametrize("command_line", ["explain x", "show x", "retry x", "cancel x", "approve x", "bump x", "demo x",
                                          "init x", "status -c x"])
def test_file_names_are_left_to_the_shell_and_ids_are_offered(place: Place, command_line: str) -> None:
    job = place.add("a.wav")

    def completed(line: str) -> list[str]:
        env = place.env | {"_DIFFIO_WATCH_COMPLETE": "bash_complete", "COMP_WORDS": line,
                           "COMP_CWORD": str(len(line.split(" ")) - 1), "DIFFIO_WATCH_CONFIG": str(place.config_file)}
        told: str = programs.run(command(), env=env, capture_output=True, check=True, text=True).stdout
        return told.split()

    assert completed(f"diffio-watch {command_line}")[0].split(",")[0] == "file"
    if command_line == "show x":
        assert f"plain,{job.id}" in completed(f"diffio-watch show {job.id[:6]}")


def test_what_is_to_be_typed_next_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After the README's first line the program lies in an environment that is on nobody's PATH."""
    monkeypatch.setattr("sys.argv", [".venv/bin/diffio-watch", "demo"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert as_typed() == ".venv/bin/diffio-watch"
    (tmp_path / "diffio-watch").touch(0o755)
    assert as_typed() == "diffio-watch"
    monkeypatch.setattr("sys.argv", ["/lib/diffio_watch/__main__.py"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert as_typed() == "diffio-watch"
