"""What a whole daemon's log has at `info`: a line for what came, what was delivered, and what a person did."""

from __future__ import annotations

from collections import Counter

from sounds import sound
from whole_studio import MakeStudio, until


def test_a_delivery_is_two_lines_with_its_outputs_and_a_person_s_wish_is_one_with_who(
        make_studio: MakeStudio) -> None:
    studio = make_studio()
    studio.start()
    (studio.inbox() / "show").mkdir()
    (studio.inbox() / "show/a.wav").write_bytes(sound("a"))
    studio.wait("show/a.wav")
    assert studio.command("pause")[0] == 0
    until(lambda: studio.events("request.served"), what=studio.told)
    told = [one for one in studio.events() if one["level"] != "debug"]
    about = [one for one in told if "job" in one]
    assert [one["event"] for one in about] == ["job.queued", "job.delivered"]
    assert {(one["inbox"], one["path"]) for one in about} == {("podcasts", "show/a.wav")}
    assert about[-1]["outputs"] == ["show/a.restored.wav"]
    assert isinstance(about[-1]["seconds"], float)
    (asked,) = studio.events("request.served")
    assert (asked["command"], asked["exit"]) == ("pause", 0)
    assert asked["who"]
    stages = Counter(one["event"] for one in studio.events() if one["level"] == "debug" and "job" in one)
    assert {"job.uploading", "job.generating", "job.waiting", "job.downloading"} <= stages.keys()
