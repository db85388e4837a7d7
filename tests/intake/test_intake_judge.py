"""What the last look says of a file that the system does not give out: each kind of trouble has its own word."""

import errno
import os

import pytest

from diffio_watch.disk import marker
from diffio_watch.disk.place import Place
from diffio_watch.disk.reading import always
from diffio_watch.intake.judge import Look, Wait, judge
from diffio_watch.intake.scan import Seen
from diffio_watch.intake.settle import Entry
from diffio_watch.reasons import because


class Refusing(Place):
    """A place whose system refuses to open."""

    number = 0

    def open(self, path: str, folder: marker.Held | None = None) -> int:
        raise OSError(self.number, os.strerror(self.number), path)


@pytest.mark.parametrize(("number", "code", "next_step"), [
    (errno.EACCES, "unreadable", "Give the service's user the right"), (errno.EPERM, "unreadable", "Give the"),
    (errno.EBUSY, "in_use", "Close it in that program"), (errno.ETXTBSY, "in_use", "Close it in that program"),
    (errno.EIO, "unreadable", "Mount it again, or mend it"), (errno.ESTALE, "unreadable", "Mount it again"),
    (errno.EMFILE, "disk", "It goes on by itself"), (errno.EREMOTEIO, "unreadable", "Mount it again, or mend it")])
def test_each_kind_of_refusal_has_its_own_sentence_and_next_step(
        monkeypatch: pytest.MonkeyPatch, number: int, code: str, next_step: str) -> None:
    monkeypatch.setattr(Refusing, "number", number)
    entry = Entry("a.wav", Seen(1, 1), 0.0, 0.0, 0.0, 0.0)
    verdict = judge(Refusing("/", inodes=True, leases=False, follow_symlinks=False), entry,
                    Look(None, 0.0, 0.0, 2.0, None, always))
    assert isinstance(verdict, Wait)
    reason = because(verdict.why, detail=verdict.detail)
    assert reason.code == code
    assert reason.action.startswith(next_step)
