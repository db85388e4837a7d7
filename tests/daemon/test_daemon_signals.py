"""A foreign thread that breaks is told in the log, as one event, and ends nothing."""

from __future__ import annotations

import json
import subprocess
import sys

_PROGRAM = """
import threading
from diffio_watch.logs import open_log
from diffio_watch.daemon.signals import Signals

def breaks():
    raise ValueError("no such watch")

log = open_log("info", "json", secrets=list)
with Signals(lambda _: None, log):
    thread = threading.Thread(target=breaks, name="emitter")
    thread.start()
    thread.join()
assert threading.excepthook is threading.__excepthook__
"""


def test_a_foreign_thread_that_breaks_is_one_event_of_the_log() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["thread"], told["level"]) == ("thread.broke", "emitter", "error")
    assert "ValueError: no such watch" in told["exception"]
