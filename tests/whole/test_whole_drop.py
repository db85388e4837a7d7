"""The rest of a drop that was left out is held, however little it is: also where each file comes whole, by a rename."""

from __future__ import annotations

import signal

import pytest
from sounds import sound
from whole_studio import MakeStudio, Studio, until

from diffio_watch.sandbox import Sandbox

pytestmark = pytest.mark.slow


def _comes(studio: Studio, name: str, *, whole: bool) -> None:
    """By a rename as rsync, Syncthing, Nextcloud and browsers copy, so that nobody sees it before; or as others do."""
    target = studio.inbox() / name
    part = studio.inbox() / f".{name}.Xa81Lk" if whole else target
    part.write_bytes(sound(name)[:-50])
    with part.open("ab") as file:
        file.write(sound(name)[-50:])
    part.rename(target)


@pytest.mark.parametrize("whole", [True, False])
def test_what_comes_after_it_was_left_out_is_held_however_it_is_copied_and_over_a_restart(
        make_studio: MakeStudio, service: Sandbox, *, whole: bool) -> None:
    studio = make_studio(limits={"approve_over_files": 5})
    process = studio.launch()
    until(lambda: bool(studio.reports()))
    names = [f"{number:02}.wav" for number in range(8)]
    process.send_signal(signal.SIGSTOP)  # else the first may be through before the sixth is there
    for name in names:
        _comes(studio, name, whole=whole)
    process.send_signal(signal.SIGCONT)
    studio.wait(*names, state="held: drop_size")
    code, out = studio.command("cancel", *[job.id for job in studio.jobs()])[:2]
    assert (code, "within 10 min of them is held, too" in out) == (0, True)
    for number in range(8, 12):
        if number == 10:
            studio.end()
            studio.launch()
        _comes(studio, f"{number:02}.wav", whole=whole)  # each once the one before it is through: none vouches for it
        studio.wait(f"{number:02}.wav", state="held: drop_size")
    assert service.charges == 0
    assert studio.command("approve", "--all")[0] == 0
    studio.wait("08.wav", "11.wav", state="delivered")
    _comes(studio, "meant.wav", whole=whole)
    studio.wait("meant.wav", state="delivered")
    assert service.charges == 5
