"""Where is my file? By its bare name, in whatever folder; also what never will be picked up."""

from __future__ import annotations

import pytest
from report_house import House

from diffio_watch.job import State
from diffio_watch.reasons import because
from diffio_watch.report import finding
from diffio_watch.report.shapes import Shape


def asked(house: House, text: str) -> Shape:
    found = None
    for place in finding.meant(house.config, house.journal, text):
        said = finding.answer(house.config, house.journal, place)
        if said is not None and said["verdict"] != "missing":
            return said
        found = found or said
    return found if found is not None else finding.nowhere(house.journal, text)


@pytest.fixture
def there(house: House) -> House:
    """The inbox is there: its marker says so."""
    house.report()
    return house


def test_a_bare_name_finds_the_newest_in_any_folder(house: House) -> None:
    house.add("show 1/a.wav", state=State.DELIVERED)
    house.add("show 2/a.wav", state=State.FAILED, code="truncated")
    house.add("show 3/b.wav", state=State.FAILED, code="empty")
    assert next(place.path for place in finding.meant(house.config, house.journal, "a.wav")) == "show 2/a.wav"
    assert next(place.path for place in finding.meant(house.config, house.journal, "A.WAV")) == "show 2/a.wav"


def test_a_name_is_found_whatever_form_its_accents_have(house: House) -> None:
    house.add("Ja\u0308ger.wav", state=State.DELIVERED)
    assert next(finding.meant(house.config, house.journal, "J\u00e4ger.wav")).path == "Ja\u0308ger.wav"


def test_an_inbox_that_is_away_is_named(house: House) -> None:
    house.report(available=False, stopped=because("unavailable", detail="no marker", inbox="podcasts"))
    told = asked(house, "a.wav")
    assert (told["verdict"], told["words"]) == (
        "unavailable", "a.wav: The share “podcasts” is not there. It goes on by itself when it is back.")


def test_a_name_that_nobody_knows_is_told_so(house: House) -> None:
    assert finding.nowhere(house.journal, "x.wav")["words"] == (
        "x.wav lies in no folder that is looked after: copy it into one.")
