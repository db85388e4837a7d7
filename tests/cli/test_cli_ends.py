"""How commands end: the exit code and the sentence of each ending, whoever reads along."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import programs
import pytest
from cli_place import NOBODY, Place, another_user, at_a_terminal, command, delivered

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["jobs", "--json"], ["status"], ["jobs"], ["status", "--json"], ["--help"]])
def test_an_output_that_can_not_be_written_is_one_sentence_and_1(place: Place, arguments: list[str]) -> None:
    place.add("a.wav")
    env = place.env | {"DIFFIO_WATCH_CONFIG": str(place.config_file)}
    env.pop("PYTHONUNBUFFERED", None)
    with FULL.open("wb") as full:
        done = programs.run(command(*arguments), env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "The output can't be written: No space left on device."
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["run", "once"])
@pytest.mark.parametrize("theirs", ["", "lock", "journal.sqlite3"])
def test_a_state_dir_of_somebody_else_is_no_case_for_a_restart(place: Place, words: str, theirs: str) -> None:
    """The service manager starts anew after 1, for ever; at 2 it stops."""
    written = place.config_file.read_text()
    with another_user() as folder:
        config, state = folder / "config.yaml", folder / "state"
        state.mkdir()
        config.write_text(written.replace(str(place.root), str(folder)))
        (state / theirs).touch()
        os.seteuid(0)
        os.chown(state / theirs, 0, 0)
        (state / theirs).chmod(0o700)
        os.seteuid(NOBODY)
        done = place.run(words, "-c", str(config))
    assert done.code == 2
    assert f"{state / theirs} belongs to root" in done.err
    assert "sudo -u root" in done.err


def test_a_no_to_the_question_what_to_buy_buys_nothing_and_says_so(place: Place) -> None:
    place.add("a.wav", **delivered(outputs=()))
    code, out = at_a_terminal(place, "n\n", "retry", "--fresh", "podcasts:a.wav")
    assert code == 1
    assert out.rstrip().endswith("Nothing was bought.")
    assert len(place.run("jobs", "--json").json) == 1
