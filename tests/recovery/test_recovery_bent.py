"""Whatever stands in a shared folder, a rebuild comes to its end, a start too, and nothing is bought again."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from recovery_house import House

from diffio_watch.job import State


def bend(house: House, name: str, place: str, value: object) -> None:
    """Set one field of a sidecar, as an editor or a script might."""
    path = house.outbox / name
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    inner = told
    *above, last = place.split(".")
    for key in above:
        inner = inner[key]
    inner[last] = value
    path.write_text(json.dumps(told), "utf-8")


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


BENT: dict[str, tuple[str, object]] = {
    "date": ("times.delivered_at", "2026-99-99T99:99:99Z"), "far date": ("source.modified_at", "9999-12-31T23:59:59Z"),
    "size": ("source.size", 1 << 70), "NUL": ("source.path", "a\0.wav"), "NUL in hex": ("source.path_hex", "00"),
    "run": ("run", 1 << 70), "NaN": ("source.media.duration_s", float("nan")),
    "endless": ("source.media.duration_s", 1e308), "infinite": ("request.sampling", {"seed": float("inf")}),
    "nested": ("request.sampling", nested(150)), "too nested": ("request.sampling", nested(900)),
    "attempts": ("attempts", 10**40), "type": ("outputs", "none"),
    "reason": ("because", {"code": "moon", "message": "\x1b[2J", "action": ""}), "long": ("source.path", "x" * 4000),
    "copy": ("duplicate_of", {"job": "0", "path": "b.wav"}), "mark": ("inbox", "\u202e")}
KNOWN = {"date", "far date", "NaN", "endless", "infinite", "nested", "reason", "mark"}  # what was bought is still told


@pytest.mark.slow
def test_bent_sidecars_keep_no_rebuild_from_its_end_and_no_daemon_from_its_work(house: House) -> None:
    for seed, name in enumerate(["good", *BENT], 1):
        house.drop(f"{name}.wav", seed)
    assert house.once() == 0
    for name, (place, value) in BENT.items():
        bend(house, f"{name}.wav.json", place, value)
    house.lose_journal()
    done = house.rebuild()
    assert f"{len(BENT) - len(KNOWN)} files or folders in the outboxes could not be read or written" in done.out
    assert {path for path, state in house.states().items() if state is State.DELIVERED} == {
        f"{name}.wav" for name in {"good", *KNOWN}}
    assert {path for path, state in house.states().items() if state is State.HELD} == {
        f"{name}.wav" for name in BENT.keys() - KNOWN}
    house.drop("c.wav", 99)
    house.once()
    assert house.states()["c.wav"] is State.DELIVERED
    for command in (("status",), ("jobs", "--json"), ("journal", "export")):
        assert house.cmd(*command).code == 0
    house.check(len(BENT) + 2)


@pytest.mark.slow
def test_an_outbox_a_thousand_folders_deep_keeps_nobody_from_starting(house: House) -> None:
    house.drop("a.wav", 1)
    assert house.once() == 0
    fd = os.open(house.outbox, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    house.lose_journal()
    try:
        assert house.cmd("once").code == 2  # the sidecar is met, wherever the walk begins
        house.rebuild()
        house.drop("b.wav", 2)
        assert house.once() == 0
    finally:
        subprocess.run(["rm", "-rf", house.outbox / "d"], check=True)  # what Python's own remover can't
    house.check(2)


@pytest.mark.slow
def test_a_copy_whose_sidecar_can_not_be_written_is_known_as_one_all_the_same(house: House) -> None:
    house.drop("a.wav", 1)
    assert house.once() == 0
    house.drop("show/copy.wav", 1)
    (house.outbox / "show").write_text("a file where a folder is to be")
    house.lose_journal()
    done = house.rebuild()
    assert "1 files or folders" in done.out
    assert house.states() == {"a.wav": State.DELIVERED, "show/copy.wav": State.SKIPPED}
    house.drop("b.wav", 2)
    house.once()
    assert house.states()["b.wav"] is State.DELIVERED
    house.check(2)
