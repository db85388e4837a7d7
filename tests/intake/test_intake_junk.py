"""Which names are meant."""

from __future__ import annotations

import os
import unicodedata

import pytest

from diffio_watch.intake.junk import SETS, Rules, junk


def rules(include: tuple[str, ...] = ("audio", "video"), exclude: tuple[str, ...] = (), *,
          recursive: bool = True) -> Rules:
    return Rules("podcasts", include, exclude, recursive=recursive)


@pytest.mark.parametrize("path", [
    ".hidden.wav", "._a.wav", ".DS_Store", "Thumbs.db", "thumbs.DB", "desktop.ini", "~$take.wav", "a.wav.part",
    "a.partial", "a.TMP", "a.crdownload", "a.wav.filepart", "@eaDir/a.wav", "x/@eaDir/y/a.wav", "#recycle/a.wav",
    "#snapshot/a.wav", ".Trash-1000/files/a.wav", ".Trashes/a.wav", "$RECYCLE.BIN/S-1/a.wav", ".snapshot/a.wav",
    "lost+found/a.wav", ".@__thumb/a.wav", "@Recycle/a.wav", ".stversions/a.wav", ".stfolder/a.wav", ".diffio-watch",
    ".diffio-watch.01J.tmp", "x/.diffio-watch-01J-audio.part",
])  # fmt: skip
def test_junk_is_never_a_job(path: str) -> None:
    assert junk(path) is not None
    assert not rules(("*",)).takes(path)


@pytest.mark.parametrize("path", ["a.wav", "part.wav", "Recycle/a.wav", "lost+found.wav", "tmp/a.wav", "-a.wav"])
def test_what_only_looks_like_junk_is_meant(path: str) -> None:
    assert junk(path) is None
    assert rules().takes(path)


@pytest.mark.parametrize(("path", "meant"), [
    ("a.wav", True), ("A.WAV", True), ("x/y.Mp4", True), ("a.txt", False), ("wav", False), (".wav", False),
    ("a.wav.json", False), ("a.", False), ("a b.m4a", True), ("n\n.flac", True), (os.fsdecode(b"\xff.ogg"), True),
])  # fmt: skip
def test_the_built_in_sets_take_extensions_whatever_their_case(path: str, *, meant: bool) -> None:
    assert rules().takes(path) is meant


def test_one_set_may_stand_alone() -> None:
    assert rules(("audio",)).takes("a.wav")
    assert not rules(("audio",)).takes("a.mp4")
    assert not SETS["audio"] & SETS["video"]


def test_globs_match_the_relative_path_or_the_last_name() -> None:
    assert rules(("*.take",)).takes("show 12/a.take")
    assert rules(("show 12/*",)).takes("show 12/a.anything")
    assert not rules(("show 12/*",)).takes("show 13/a.anything")
    assert rules(("audio", "*.raw")).takes("a.raw")
    assert not rules(("*.wav",)).takes("A.WAV"), "globs heed case, as rsync's do"


def test_exclude_wins_over_include() -> None:
    found = rules(exclude=("*-raw.wav", "drafts/*"))
    assert found.takes("a.wav")
    assert not found.takes("x/a-raw.wav")
    assert not found.takes("drafts/deep/a.wav")


def test_without_recursive_only_the_top_counts() -> None:
    found = rules(recursive=False)
    assert found.takes("a.wav")
    assert not found.takes("x/a.wav")
    assert not found.enters("x")


def test_a_glob_matches_a_name_as_a_mac_spells_it() -> None:
    assert rules(("Über*.wav",)).takes(unicodedata.normalize("NFD", "Über uns.wav"))


@pytest.mark.parametrize(("path", "failing", "code"), [
    ("a.wav", None, None), (".a.wav", "not_junk", "junk"), ("x/a.wav", "recursive", "not_recursive"),
    ("a.txt", "included", "not_included"), ("a-raw.wav", "not_excluded", "excluded"),
])  # fmt: skip
def test_each_rule_says_why(path: str, failing: str | None, code: str | None) -> None:
    explained = rules(exclude=("*-raw.wav",), recursive=False).explain(path)
    assert [rule.name for rule in explained] == ["not_junk", "recursive", "included", "not_excluded"]
    broken = [rule for rule in explained if not rule.holds]
    assert [rule.name for rule in broken] == ([failing] if failing else [])
    assert [rule.refusal.code for rule in broken if rule.refusal] == ([code] if code else [])
    assert all(rule.detail for rule in explained)
