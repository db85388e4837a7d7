"""`_status.html`: the page's words as plain HTML, with whatever names recordings have."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

import pytest
from report_house import NOON, House

from diffio_watch.job import Output, State
from diffio_watch.journal import Halt
from diffio_watch.outbox.error_files import STATUS_MARK
from diffio_watch.reasons import REASONS, Kind, because
from diffio_watch.report import scene, status_page
from diffio_watch.report.pace import Pace
from diffio_watch.report.screen import screen

HOSTILE = ["<script>alert(1)</script>.wav", '"><img src=x onerror=alert(1)>.wav', "javascript:alert(1).wav",
           "a\u202egpj.wav", "two\nlines.wav", "bad\udcff\udcfe.wav", "'&amp;%41#?.wav", "ä" * 120 + ".wav",
           "x" * 251 + ".wav", "show <b>/</body>.wav", "\x1b[31m.wav", "-->.wav", "{told}.wav"]


class Read(HTMLParser):
    """What a browser would find."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


Page = Callable[[], bytes]


@pytest.fixture
def page(house: House) -> Page:
    def made() -> bytes:
        config, found = scene.of_inbox(house.config, house.journal, "podcasts")
        found = replace(found, facts=replace(found.facts, pid=1))
        return status_page.page(status_page.content("podcasts", screen(config, found, Pace())), NOON)

    return made


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_and_its_result_a_link_to_a_file_beside(house: House, page: Page, name: str) -> None:
    result = name.removesuffix(".wav") + ".mp3"
    house.add(name, state=State.DELIVERED, delivered_at=NOON, outputs=(Output("audio", "published", result),))
    house.add(f"f-{name}"[-255:] if "/" not in name else f"f {name}", state=State.FAILED, code="truncated")
    house.add(f"m {name}", state=State.UPLOADING)
    read = Read(page())
    assert not read.tags.keys() & {"script", "img", "b", "iframe", "object", "link", "base", "form"}
    assert not any(name.startswith("on") for name in read.attributes)
    assert read.tags["body"] == 1
    [link] = read.links
    assert link.startswith("./")
    assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", link), link
    assert unquote_to_bytes(link.removeprefix("./")) == os.fsencode(result)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", read.text)


def test_it_brings_nothing_along_that_acts_and_allows_nothing(house: House, page: Page) -> None:
    house.add("a.wav", state=State.UPLOADING)
    made = page()
    assert made.startswith(STATUS_MARK)
    read = Read(made)
    assert "script" not in read.tags
    text = made.decode()
    assert "default-src 'none'; style-src 'sha256-" in text
    assert "unsafe-inline" not in text
    assert '<meta http-equiv="refresh" content="20">' in text
    assert text.index('charset="utf-8"') < 1024
    assert "http://" not in text
    assert "https://" not in text


def test_no_more_than_two_hundred_rows(house: House, page: Page) -> None:
    house.add(*(f"d{number}.wav" for number in range(300)), state=State.DELIVERED, delivered_at=NOON)
    house.add(*(f"m{number}.wav" for number in range(300)), state=State.WAITING)
    for code in sorted(code for code, row in REASONS.items() if row.kind is Kind.FAILED):
        house.add(f"{code}.wav", state=State.FAILED, code=code)
    read = Read(page())
    assert read.tags["li"] <= 200
    assert "and 250 more" in read.text


def test_it_tells_the_verdict_of_its_own_inbox_alone(house: House, page: Page) -> None:
    house.add("a.wav", state=State.DELIVERED, delivered_at=NOON)
    house.add("b.wav", inbox="other", state=State.FAILED, code="truncated")
    house.journal.halts.set(Halt("inbox:other:model", because("model_retired", model="x", inbox="other", models="y"),
                                 NOON, None))
    assert "Everything is restored." in Read(page()).text
    house.add("c.wav", state=State.FAILED, code="truncated")
    text = Read(page()).text
    assert "1 recording needs you." in text
    assert "This recording was not restored: the file is cut short, the end is missing." in text


def test_an_editor_is_told_no_command_and_no_word_of_the_machine_room(house: House, page: Page) -> None:
    house.add("a.wav", state=State.FAILED, code="internal")
    house.add("b.wav", state=State.HELD, code="unproven")
    house.journal.halts.set(Halt("account", because("auth", detail="401"), NOON, NOON + 60))
    text = Read(page()).text.partition("Of the folder")[2]
    assert not re.search(r"`|diffio-watch |generation|journal|halt|daemon", text)


def test_whose_recordings_are_in_trouble_is_told_by_name(house: House, page: Page) -> None:
    """Who reads it can open no list: of each group twenty are named, and how many more there are."""
    house.add(*(f"show/{number:02}.wav" for number in range(25)), state=State.FAILED, code="internal", error_file=True)
    house.add("held 1.wav", "held 2.wav", state=State.HELD, code="unproven")
    text = Read(page()).text
    assert [f"{number:02}.wav" in text for number in (0, 19, 20)] == [True, True, False]
    assert "and 5 more" in text
    assert "held 1.wav" in text
    assert "held 2.wav" in text
