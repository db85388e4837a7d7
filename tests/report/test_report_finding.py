"""Where is my file? By its bare name, in whatever folder; also what never will be picked up."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_house import NOON, House

from diffio_watch.disk import marker
from diffio_watch.disk.marker import Owner
from diffio_watch.job import Output, State
from diffio_watch.journal import Halt
from diffio_watch.reasons import because
from diffio_watch.report import finding
from diffio_watch.report.shapes import Shape


def asked(house: House, text: str) -> Shape:
    vague = None
    for place in finding.meant(house.config, house.journal, text):
        said = finding.answer(house.config, house.journal, place)
        if said is not None and finding.is_known(said):
            return said
        vague = vague or said
    return vague if vague is not None else finding.nowhere(house.config, house.journal, text)


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
        "unavailable", ("Whether a.wav is there can't be told now. The share “podcasts” is not there. It goes on by "
                        "itself when it is back."))


def test_a_name_that_nobody_knows_is_told_so(house: House) -> None:
    assert finding.nowhere(house.config, house.journal, "x.wav")["words"] == (
        "x.wav lies in no folder that is looked after: copy it into one.")


@pytest.fixture
def marked(house: House) -> House:
    """Its inbox has its marker: it can be looked at."""
    house.report()
    root = house.config.inboxes[0].path
    marker.check(str(root), "inbox", "podcasts", Owner(house.journal.id, 0), house.journal.folders)
    return house


def test_of_a_known_recording_its_state_comes_before_that_its_share_is_away(house: House) -> None:
    house.add("top.wav", state=State.DELIVERED)
    house.report(available=False, stopped=because("unavailable", detail="no marker", inbox="podcasts"))
    told = asked(house, "top.wav")
    assert finding.is_known(told)
    assert told["words"].startswith("top.wav is done. The share “podcasts” is not there.")


@pytest.mark.parametrize("text", [
    "Interview.restored.wav", "interview.RESTORED.wav", "show 12/Interview.restored.wav",
    r"Z:\results\show 12\Interview.wav",
    r"\\nas\studio\show 12\Interview.wav", "/Volumes/studio/show 12/Interview.wav", "podcasts:show 12/Interview.wav",
    r"C:\Users\me\Interview.wav", "Interview.transcript.json"])
def test_a_result_and_a_path_from_somebodys_own_machine_find_the_recording(house: House, text: str) -> None:
    outputs = (Output("audio", "published", "show 12/Interview.restored.wav"),
               Output("transcript", "published", "show 12/Interview.transcript.json"))
    house.add("show 12/Interview.wav", state=State.DELIVERED, outputs=outputs)
    house.add("show 13/Other.wav", state=State.DELIVERED)
    assert next(finding.meant(house.config, house.journal, text)).path == "show 12/Interview.wav"


def test_what_is_not_known_is_told_so_with_the_folders_and_no_never(marked: House) -> None:
    told = asked(marked, "x.wav")
    assert told["words"] == (
        "No recording of the name x.wav is known here. If it was just copied, wait a moment; else look whether it is "
        f"in one of these folders: {marked.config.inboxes[0].path}.")


def test_a_bare_name_in_a_folder_below_that_is_not_looked_through_is_found(tmp_path: Path) -> None:
    house = House(tmp_path, inboxes=[{"name": "podcasts", "path": str(tmp_path / "in"), "outbox": str(tmp_path / "out"),
                                      "recursive": False}])
    inbox = house.config.inboxes[0]
    marker.check(str(inbox.path), "inbox", "podcasts", Owner(house.journal.id, 0), house.journal.folders)
    (inbox.path / "sub").mkdir()
    (inbox.path / "sub" / "Below.wav").write_bytes(b"x")
    assert not finding.is_known(asked(house, "below.wav"))
    place = finding.below(inbox, r"Z:\in\below.wav")
    assert place is not None
    told = finding.answer(house.config, house.journal, place)
    assert told is not None
    assert told["words"] == ("Below.wav: It is not restored: folders below are not looked through here. Move it up "
                             "into the folder itself.")
    assert finding.below(inbox, "none.wav") is None
    house.journal.close()


def test_a_folder_is_told_to_be_one(marked: House) -> None:
    (marked.config.inboxes[0].path / "show 12").mkdir()
    assert asked(marked, "show 12")["words"] == (
        "show 12 is a folder: what lies in it is looked through. Type the name of a recording in it.")


def test_an_answer_is_what_the_rows_say(marked: House) -> None:
    """Of what is stopped, and of a copy."""
    [first] = marked.add("a.wav", state=State.DELIVERED)
    marked.add("b.wav", state=State.SKIPPED, duplicate_of=first.id, because=because("duplicate", other="a.wav"))
    marked.add("c.wav", state=State.GENERATING)
    marked.journal.halts.set(Halt("account", because("billing", detail="x"), NOON, NOON + 52))
    assert asked(marked, "b.wav")["words"] == (
        "b.wav: It is a copy of a.wav, which was restored before. Nothing to do.")
    assert asked(marked, "c.wav")["words"].startswith("c.wav waits. Restoring stands still: ")
