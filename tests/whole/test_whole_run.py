"""Many files at once, in both upload ways, through kills: each is delivered, and paid for once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from whole_media import RECIPES, another
from whole_studio import MakeStudio, Studio, until

from diffio_watch.job import State
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.state import Seen

FILES = 200
KILLS, FILES_KILLED = 4, 90  # what matters is at which call, and that more go on beside it


@pytest.fixture
def service() -> Iterator[Sandbox]:
    """It has one file put and the next sent in parts, in turns."""
    with Sandbox(seconds=0.3, part_bytes=64 * 1024) as sandbox:
        def turn(moment: str, seen: Seen) -> None:
            if (moment, seen.call) == ("answered", "create_project"):
                sandbox.change(upload="put" if sandbox.settings.upload == "multipart" else "multipart")

        sandbox.watch(turn)
        yield sandbox


def drop(media: Path, inbox: Path, files: int) -> dict[str, bytes]:
    """Mixed files in nested folders, all at once; their contents by path."""
    forms = list(RECIPES)
    contents = {}
    for number in range(files):
        form = forms[number % len(forms)]
        path = f"show {number % 7}/{'day/' * (number % 3)}{number} {form}"
        contents[path] = another((media / form).read_bytes(), Path(form).suffix, number)
    inbox.mkdir()
    for path, content in contents.items():
        (inbox / path).parent.mkdir(parents=True, exist_ok=True)
        (inbox / path).write_bytes(content)
    return contents


def check(studio: Studio, contents: dict[str, bytes], below: str) -> None:
    assert studio.service.charges == len(contents)
    assert min(studio.service.calls[call] for call in ("put", "complete")) >= len(contents) // 3
    studio.check()
    told = studio.sidecars()
    assert set(told) == {f"{below}/{path}" for path in contents}
    for path, content in contents.items():
        (output,) = told[f"{below}/{path}"]["outputs"]
        assert (studio.outbox() / output["path"]).read_bytes() == content  # what the sandbox was given


@pytest.mark.slow
def test_two_hundred_mixed_files_dropped_at_once_are_delivered_and_paid_for_once(
    media: Path, make_studio: MakeStudio, service: Sandbox,
) -> None:
    studio = make_studio()
    studio.launch()
    until(lambda: studio.events("daemon.started"), what=studio.told)
    contents = drop(media, studio.base / "drop", FILES)
    (studio.base / "drop").rename(studio.inbox() / "drop")
    until(lambda: studio.counts()[State.DELIVERED] == FILES, 120, studio.told)
    assert studio.end()[0] == 0
    check(studio, contents, "drop")


@pytest.mark.slow
def test_kills_on_the_way_cost_nothing(media: Path, make_studio: MakeStudio, service: Sandbox) -> None:
    studio = make_studio()
    contents = drop(media, studio.inbox() / "drop", FILES_KILLED)
    chance = random.Random(service.base_url)
    for kill in range(1, KILLS + 1):
        studio.launch()
        wanted = kill * FILES_KILLED // (KILLS + 2) + chance.randrange(10)
        call = chance.choice(["create_project", "generate", "link", "download"])
        until(done(service, call, wanted), 120, studio.told)
        studio.kill()
    studio.launch()
    until(lambda: studio.counts()[State.DELIVERED] == FILES_KILLED, 120, studio.told)
    assert studio.end()[0] == 0
    check(studio, contents, "drop")


def done(service: Sandbox, call: str, times: int) -> Callable[[], bool]:
    return lambda: service.calls.get(call, 0) >= times
