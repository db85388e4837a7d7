"""Changes in a journal, as another process makes them: `python bench_changes.py STATE_DIR A_SECOND`, until it is ended.

Run by the Python of the program that is measured; they are the progress of what is on its way.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from diffio_watch.job import State
from diffio_watch.journal import Journal


def main(state_dir: Path, a_second: float) -> None:
    """Make them."""
    with Journal.open(state_dir) as journal:
        jobs = [job.id for job in journal.jobs.newest([State.WAITING])]
        began = time.monotonic()
        print("ready", flush=True)
        for number in itertools.count():
            if (ahead := began + number / a_second - time.monotonic()) > 0:
                time.sleep(ahead)
            journal.jobs.note_progress(jobs[number % len(jobs)], number % 100)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
