"""What is kept of sounds: bounded, never half written, and as good as absent where it is damaged. And what is told."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from diffio_watch.config.load import parse
from diffio_watch.disk.mounts import Mount
from diffio_watch.service.sound import lag, record, view
from diffio_watch.service.sound.listening import to_spare
from diffio_watch.service.sound.record import Record, Unfit
from diffio_watch.service.sound.store import Store

_A, _B, _C = "a" * 64, "b" * 64, "c" * 64
_KNOWN = Record(seconds=1.0, rate=48_000, channels=2, codec="flac", form="flac", peaks=bytes(20), short=b"\x2e",
                integrated=-23.0, windows=(bytes(4000),))


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(_A, _KNOWN)
    store.put(_B, Record().failed("It crashed."))
    assert store.get(_A) == _KNOWN
    assert (store.get(_B).note, store.get(_B).final) == ("It crashed.", False)
    assert store.get(_B).failed("Again.").final
    assert store.get(_C) == Record()
    assert {path.stat().st_mode & 0o777 for path in store.folder.iterdir()} == {0o600}
    assert store.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 9, "tries": 0, "note": ""}',
                                    b"[" * 100_000, b"\xff\xfe"])
def test_what_is_damaged_or_of_another_version_counts_as_missing(tmp_path: Path, damage: bytes) -> None:
    store = Store(tmp_path)
    store.put(_A, _KNOWN)
    (store.folder / f"{_A}.json").write_bytes(damage)
    assert store.get(_A) == Record()
    store.put_lag(_A, _B, None)
    (store.folder / f"{_A[:32]}-{_B[:32]}.json").write_bytes(damage)
    assert store.lag(_A, _B) is None


@pytest.mark.parametrize(("name", "value"), [
    ("seconds", float("nan")), ("seconds", "1"), ("column", 0), ("rate", 0), ("channels", -1), ("peaks", ""),
    ("peaks", "AAAA" * 2_000_000), ("peaks", "?"), ("windows", [""] * 1000), ("windows", {}), ("integrated", 1e300),
    ("short", 5),
])
def test_an_answer_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """The child may have been taken over by what it read."""
    good: dict[str, object] = {
        "seconds": 1.0, "late": 0, "column": 0.1, "integrated": -23.0, "range": None, "true_peak": None,
        "rate": 48_000, "channels": 2, "peaks": "AAAAAAAA", "short": "AA==", "windows": []}
    record.measured(good)
    with pytest.raises(Unfit):
        record.measured({**good, name: value})


def test_the_oldest_goes_where_there_is_too_much_and_what_was_used_stays(tmp_path: Path) -> None:
    store = Store(tmp_path, records=12_000, previews=250)
    for number, sha256 in enumerate((_A, _B, _C)):
        with store.making(sha256) as descriptor:
            os.write(descriptor, bytes(100))
        os.utime(store.folder / f"{sha256}.flac", (1000 + number, 1000 + number))
        store.put(sha256, _KNOWN)
        os.utime(store.folder / f"{sha256}.json", (1000 + number, 1000 + number))
    assert store.preview(_A) is not None  # used now
    (store.folder / f"{_A}.0.making").write_bytes(b"left by a crash")
    store.prune()
    assert sorted(path.name[0] + path.suffix for path in store.folder.iterdir()) == [
        "a.flac", "b.json", "c.flac", "c.json"]


def test_a_preview_that_was_broken_off_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(OSError, match="No space"), store.making(_A) as descriptor:
        _full(os.write(descriptor, b"half"))
    assert list(store.folder.iterdir()) == []
    assert store.preview(_A) is None


def _full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_only_a_sha_256_names_a_file(tmp_path: Path) -> None:
    for name in ("../journal", "", "A" * 64, "a" * 63):
        with pytest.raises(ValueError, match="SHA-256"):
            Store(tmp_path).get(name)


def test_a_long_waveform_is_pooled_to_its_extremes() -> None:
    peaks = bytearray(20_000)
    peaks[10_000:10_002] = bytes((-100 & 255, 100))
    pooled, column = view.pooled(bytes(peaks), 0.1)
    assert len(pooled) // 2 <= view.COLUMNS
    assert column == pytest.approx(0.6)
    assert (min(memoryview(pooled).cast("b")), max(memoryview(pooled).cast("b"))) == (-100, 100)


def test_places_that_differ_are_those_beyond_the_usual_difference() -> None:
    """A side that is quieter as a whole differs nowhere; silence on both is no place."""
    one = bytearray([46] * 300)
    other = bytearray([80] * 300)
    assert view.differences(bytes(one), bytes(other)) == []
    other[100:104] = bytes([110] * 4)
    one[200:220] = other[200:220] = bytes([240] * 20)
    assert view.differences(bytes(one), bytes(other)) == [98.0]
    assert view.differences(b"", b"") == []


@pytest.mark.parametrize(("found", "words", "note"), [
    ({"ms": 0.2, "drift": 1.0, "drifts": False}, "In sync.", None),
    ({"ms": 23.0, "drift": 0.0, "drifts": False}, "The restored one is 23 ms late; the player makes up for it.", None),
    ({"ms": -120.0, "drift": 0.0, "drifts": False}, "The restored one is 120 ms early; the player makes up for it.",
     "The sound is 120 ms early against the original."),
    ({"ms": 0.0, "drift": 1000.0, "drifts": True}, "The restored one falls behind by 60 ms a minute.",
     "The sound drifts against the original: 0.100 % longer."),
    ({"ms": 50.0, "drift": -1000.0, "drifts": True},
     "The restored one begins 50 ms late and runs ahead by 60 ms a minute.",
     "The sound drifts against the original: 0.100 % shorter."),
    (None, "It can't be told whether both are in sync.", None),
])
def test_a_lag_in_words(found: dict[str, float] | None, words: str, note: str | None) -> None:
    assert (view.lag(found)["words"], view.note(found)) == (words, note)


def test_windows_that_are_silent_or_short_are_passed_over() -> None:
    loud = random.Random(1).randbytes(4000)
    assert lag.between([bytes(4000), loud], [bytes(4000), loud]) == lag.Lag(0.0, 0.0, 1, 1)
    assert lag.between([loud[:100]], [loud[:100]]) is None
    assert lag.between([], []) is None


def test_a_content_without_a_proper_hash_is_as_loud_as_nobody_knows(tmp_path: Path) -> None:
    """One odd row must not take the list along that it stands in."""
    assert Store(tmp_path).integrated("../" * 20) is None


def _made(store: Store, sha256: str, size: int, at: int) -> None:
    with store.making(sha256) as descriptor:
        os.write(descriptor, bytes(size))
    os.utime(store.folder / f"{sha256}.flac", (at, at))


def _kept(store: Store) -> list[str]:
    return sorted(path.name[0] for path in store.folder.glob("*.flac"))


@pytest.mark.parametrize(("free", "room"), [
    (10_000, 500), (1_000, 250), (600, 100), (500, 0), (100, -400)])
def test_a_preview_takes_half_of_all_or_a_quarter_of_what_is_free_and_never_what_is_to_be_spared(
        tmp_path: Path, free: int, room: int) -> None:
    assert Store(tmp_path, previews=1_000, spare=500, free=lambda _: free).room() == room


@pytest.mark.parametrize(("min_free", "state", "outboxes", "spared"), [
    ("5GiB", "/var/lib/state", ["/srv/out"], 1 << 30),  # a share's room is no business of the disk with the journal
    ("5GiB", "/srv/state", ["/srv/out"], 5 << 30), ("5GiB", "/var/lib/state", ["/srv/out", "/var/out"], 5 << 30),
    ("5GiB", "/mnt/subvolume/state", ["/srv/out"], 5 << 30),  # one disk at two places
    ("1MiB", "/srv/state", ["/srv/out"], 1 << 30), ("5GiB", "/var/lib/state", ["/nas/out"], 1 << 30)])
def test_the_room_of_outboxes_is_spared_where_they_are_on_the_journals_disk(
        min_free: str, state: str, outboxes: list[str], spared: int) -> None:
    table = [Mount("/", "ext4", "/dev/sda1"), Mount("/srv", "btrfs", "/dev/sdb1"), Mount("/nas", "nfs4", "nas:/out"),
             Mount("/mnt/subvolume", "btrfs", "/dev/sdb1")]
    text = "\n".join([f"state_dir: {state}", f"limits: {{min_free: {min_free}}}", "inboxes:", *(
        f"- {{name: n{number}, path: /in/{number}, outbox: {outbox}}}" for number, outbox in enumerate(outboxes))])
    assert to_spare(parse(text.encode(), {}), table) == spared


def test_previews_make_room_for_the_journal_the_oldest_first(tmp_path: Path) -> None:
    free = 10_000
    store = Store(tmp_path, previews=1_000, spare=500, free=lambda _: free)
    for number, sha256 in enumerate((_A, _B, _C)):
        _made(store, sha256, 300, 1000 + number)
    store.tend()
    assert _kept(store) == ["a", "b", "c"]
    free = 300  # others took it
    store.tend()
    assert _kept(store) == ["c"]
    free = 0
    store.tend()
    assert _kept(store) == []


def test_previews_together_take_a_quarter_of_what_is_free_at_most(tmp_path: Path) -> None:
    store = Store(tmp_path, previews=1_000, spare=0, free=lambda _: 1_500)
    for number, sha256 in enumerate((_A, _B, _C)):
        _made(store, sha256, 300, 1000 + number)
    store.prune()
    assert _kept(store) == ["b", "c"]


def test_nothing_at_all_is_kept_where_the_journal_has_hardly_any_room(tmp_path: Path) -> None:
    store = Store(tmp_path, spare=400, free=lambda _: 99)
    with pytest.raises(OSError, match="No space"):
        store.put(_A, _KNOWN)
    with pytest.raises(OSError, match="No space"):
        store.put_lag(_A, _B, None)
    with pytest.raises(OSError, match="No space"):
        store.put_tried(_A, _KNOWN)
    assert not store.folder.exists() or list(store.folder.iterdir()) == []


def test_records_are_looked_through_while_they_are_written_too(tmp_path: Path) -> None:
    """Not at the start and with previews alone: a service that runs for months may make none."""
    store = Store(tmp_path, records=60_000)
    for number in range(60):
        store.put(f"{number:064x}", _KNOWN)
        store.tend()
    assert sum(path.stat().st_size for path in store.folder.iterdir()) < 70_000
