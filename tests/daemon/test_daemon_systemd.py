"""What `systemctl status` shows: one line of words, what stops the work first."""

from __future__ import annotations

from diffio_watch.daemon.systemd import summary
from diffio_watch.job import State
from diffio_watch.journal import Halt
from diffio_watch.reasons import because


def test_what_stops_the_work_stands_first() -> None:
    billing = Halt("account", because("billing", detail="pay"), 1.0, None)
    away = Halt("inbox:film:inbox", because("unavailable", inbox="film", detail="not mounted"), 1.0, None)
    line = summary({State.WAITING: 2, State.QUEUED: 1, State.HELD: 4, State.FAILED: 9},
                   {away.scope: away, billing.scope: billing}, {"podcasts": 1.0}, "line 7: This is not YAML.")
    assert line == (f"Its new configuration was refused: line 7: This is not YAML. {billing.because.message} "
                    f"{away.because.message} Paused: podcasts. 3 on their way, 4 held until a person decides.")


def test_a_quiet_service_says_that_it_is_quiet() -> None:
    assert summary({State.DELIVERED: 812}, {}, {}) == "Nothing on its way."
    assert summary({}, {}, {"*": 1.0}) == "Paused: every inbox. Nothing on its way."
