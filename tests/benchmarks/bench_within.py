"""What single calls of a journal take, by its own interface: `python bench_within.py STATE_DIR`, without a daemon.

Run by the Python of the program that is measured; prints a line of JSON, the median of each call in milliseconds.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from diffio_watch.job import OPEN, State
from diffio_watch.journal import Journal

_CALLS = 100


def main(state_dir: Path) -> None:
    """Measure, and print."""
    with Journal.open(state_dir) as journal:
        (job,) = journal.jobs.newest([State.DELIVERED], limit=1)

        def commit() -> None:
            nonlocal job
            job = journal.jobs.commit(job, notes=job.notes)

        def due() -> None:
            for state in OPEN:
                journal.schedule.due({state}, "a", time.time(), 8)
            journal.schedule.next_due(time.time())

        print(json.dumps({
            "commit": _median(commit), "due": _median(due),
            "newest": _median(lambda: journal.jobs.newest([State.DELIVERED], limit=50)),
            "counts": _median(journal.totals.by_state),
        }))


def _median(call: Callable[[], object]) -> float:
    took = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
