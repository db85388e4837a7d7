"""What a person sees on a terminal of 80 columns, and what can be copied from there."""

from __future__ import annotations

import re
import subprocess

import pytest
from cli_place import Place, at_a_terminal, command

from diffio_watch.disk import marker_file
from diffio_watch.job import State
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
    marker_file.replace(str(place.inbox), marker_file.Marker("diffio-watch", "another", "inbox", "podcasts", 1))
    done = subprocess.run(command("run", "-c", str(place.config_file)), env=place.env, capture_output=True, text=True,
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


@pytest.mark.parametrize("terminal", [True, False])
def test_where_the_encoding_has_no_bars_they_are_drawn_with_what_it_has(place: Place, *, terminal: bool) -> None:
    place.add(f"{'long' * 60}.wav", state=State.WAITING, progress=42.0)
    env = {"PYTHONIOENCODING": "ascii"}
    if terminal:
        _, told = at_a_terminal(place, "", "status", env=env)
    else:
        told = subprocess.run(command("status"), env=place.env | env | {"DIFFIO_WATCH_CONFIG": str(place.config_file)},
                              capture_output=True, check=True, text=True).stdout
    assert "----" in told
    assert "\\u" not in told
