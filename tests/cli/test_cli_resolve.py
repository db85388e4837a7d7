"""JOB and FILE arguments: what they mean, and in which order readings are tried."""

from __future__ import annotations

import os
import re
import shlex

import pytest
from cli_place import Place

from diffio_watch.cli.resolve import many_jobs
from diffio_watch.report.resolve import find_job, places

AWKWARD = ["a.wav", "show 12/ä.wav", "line\nbreak.wav", "-rf.wav", "a:b.wav", r"back\x41slash.wav", r"two\\.wav",
           "🎙️.wav", "\u202egpj.wav", os.fsdecode(b"caf\xe9.wav"), os.fsdecode(b"\\\xff.wav")]


def found(place: Place, argument: str) -> str | None:
    with place.journal() as journal:
        job = find_job(journal, place.config, argument)
    return None if job is None else job.path


@pytest.mark.parametrize("path", AWKWARD)
def test_a_file_is_known_by_inbox_by_absolute_path_and_from_the_current_folder(
        place: Place, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.add(path)
    assert found(place, f"podcasts:{path}") == path
    assert found(place, str(place.inbox / path)) == path
    (place.inbox / "show 12").mkdir()
    monkeypatch.chdir(place.inbox)
    assert found(place, path) == path
    assert found(place, f"./{path}") == path
    monkeypatch.chdir(place.inbox / "show 12")
    assert found(place, f"../{path}") == path


@pytest.mark.parametrize("path", AWKWARD)
def test_a_name_as_it_was_shown_is_understood(place: Place, path: str) -> None:
    place.add(path)
    shown = place.run("jobs", "--json").json[0]["path"]
    assert found(place, f"podcasts:{shown}") == path
    printed = place.run("show", f"podcasts:{path}").out.splitlines()[1].partition("podcasts:")[2]
    assert found(place, f"podcasts:{printed}") == path


def test_an_argument_is_tried_as_it_is_before_it_is_read_as_escaped(place: Place) -> None:
    place.add("A.wav")
    place.add(r"\x41.wav")
    assert found(place, r"podcasts:\x41.wav") == r"\x41.wav"
    with place.journal() as journal:
        assert [one.path for one in places(place.config, r"podcasts:\x41.wav", "/")] == [r"\x41.wav", "A.wav"]
        assert journal.jobs.get("") is None


def test_where_several_jobs_have_a_path_the_newest_is_meant(place: Place) -> None:
    place.add("a.wav", sha256="1" * 64)
    newest = place.add("a.wav", sha256="2" * 64)
    assert place.run("show", "podcasts:a.wav", "--json").json["id"] == newest.id


def test_a_job_is_known_by_its_id_and_by_a_beginning_that_only_it_has(place: Place) -> None:
    one = place.add("a.wav", id="01AAAAAAAAAAAAAAAAAAAAAAAA")
    place.add("b.wav", id="01AAAABBBBBBBBBBBBBBBBBBBB")
    assert found(place, one.id) == found(place, one.id.lower()) == "a.wav"
    assert found(place, "01AAAAA") == "a.wav"
    assert found(place, "01AAAA") is None
    assert found(place, "0") is None


def test_a_whole_id_wins_over_a_file_of_that_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    one = place.add("a.wav")
    place.add(one.id)
    monkeypatch.chdir(place.inbox)
    assert found(place, one.id) == "a.wav"
    assert found(place, f"./{one.id}") == one.id


def test_an_inbox_may_be_reached_through_a_link(place: Place) -> None:
    place.add("show/a.wav")
    (place.inbox / "show").mkdir()
    link = place.root / "link"
    link.symlink_to(place.inbox)
    assert found(place, str(link / "show/a.wav")) == "show/a.wav"


@pytest.mark.parametrize("argument", ["nope", "podcasts:../out/a.wav", "/etc/passwd", "podcasts:", "other:a.wav", "\0",
                                      "", ".", "podcasts:.", "/", "01"])
def test_what_means_nothing_is_unknown(place: Place, argument: str) -> None:
    place.add("a.wav")
    assert found(place, argument) is None


def test_jobs_of_an_inbox_that_is_no_longer_configured_are_found(place: Place) -> None:
    place.add("a.wav", inbox="old")
    assert found(place, "old:a.wav") == "a.wav"


def test_of_many_arguments_each_job_comes_once_and_each_miss_is_told(place: Place) -> None:
    job = place.add("a.wav")
    with place.journal() as journal:
        jobs, missed = many_jobs(journal, place.config, [job.id, "podcasts:a.wav", "no\x1bpe"])
    assert [one.id for one in jobs] == [job.id]
    assert len(missed) == 1
    assert r"no\x1bpe" in missed[0]


@pytest.mark.parametrize("command", [("show",), ("explain",), ("retry",), ("cancel",)])
@pytest.mark.parametrize("path", AWKWARD[:4] + AWKWARD[-2:])
def test_a_name_as_it_is_shown_is_answered_by_what_to_type(place: Place, command: tuple[str, ...], path: str) -> None:
    """`status` and `jobs` show names within the inbox, and are read in some other folder."""
    place.add(path)
    shown = place.run("jobs", "--json").json[0]["path"]
    done = place.run(*command, "--", shown)
    assert done.code == 1
    typed = re.search(r"Did you mean (.+)\? A FILE", done.err)
    assert typed is not None, done.err
    (argument,) = shlex.split(typed[1])
    assert found(place, argument) == path
