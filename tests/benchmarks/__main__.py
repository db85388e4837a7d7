"""The table of how fast it is, beside what one would have instead: `python tests/benchmarks [LINE…]`.

Every line runs in temporary folders against the built-in stand-in for the service, which runs on the same cores. What
counts are the ratios: both sides of one are measured in turns, in the same run. Without arguments it takes all lines,
under ten minutes on two cores; with `--full` those that are scaled down have their full counts, and take longer.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bench_crowds
import bench_journal
import bench_small
import bench_transfers
import bench_waits
from bench_table import Row, merged, table
from bench_world import World


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what measures it once, and how often that is done."""

    measure: Callable[[World], list[Row]]
    times: int


LINES = {
    "small": Line(bench_small.instant, 3),
    "processing": Line(bench_small.processing, 1),
    "transfer": Line(bench_transfers.gigabyte, 2),
    "memory": Line(bench_transfers.memory, 1),
    "pickup": Line(bench_waits.pickup, 1),
    "result": Line(bench_waits.result, 1),
    "waiting": Line(bench_waits.waiting, 1),
    "admitted": Line(bench_crowds.admitted, 1),
    "held": Line(bench_crowds.held, 1),
    "known": Line(bench_crowds.known, 1),
    "past": Line(bench_journal.past, 1),
    "commands": Line(bench_journal.commands, 1),
}


def main() -> int:
    """Measure what is asked for, and print the table."""
    parser = argparse.ArgumentParser(prog="tests/benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", nargs="*", metavar="LINE", help=f"some of: {', '.join(LINES)}; all by default")
    parser.add_argument("--full", action="store_true", help="full counts: takes much longer")
    parser.add_argument("--times", type=int, metavar="N", help="how often each line is measured")
    parser.add_argument("--program", metavar="PATH", help="the diffio-watch to measure; by default that of this Python",
                        default=str(Path(sys.executable).with_name("diffio-watch")))
    parser.add_argument("--against", metavar="PATH",
                        help="another diffio-watch, measured in turns with it in place of what one would have instead")
    asked = parser.parse_args()
    if unknown := set(asked.lines) - set(LINES):
        parser.error(f"no such line: {', '.join(sorted(unknown))}; there are {', '.join(LINES)}")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started it in the background
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was made goes then, too
    rows: list[Row] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="diffio-watch-bench-", ignore_cleanup_errors=True) as folder:
        try:
            for name in asked.lines or LINES:
                rows += _measure(name, asked, Path(folder))
        except KeyboardInterrupt:
            print("broken off", file=sys.stderr)
    print(f"\n{len(os.sched_getaffinity(0))} cores, Python {sys.version.split()[0]}, "
          f"{time.monotonic() - began:.0f} s; medians\n")
    print(table(rows))
    return 0


def _measure(name: str, asked: argparse.Namespace, base: Path) -> list[Row]:
    line, rows, others = LINES[name], [], []
    for turn in range(asked.times or line.times):
        print(f"{name} {turn + 1}", end=" ", file=sys.stderr, flush=True)
        rows += line.measure(World(base, asked.program, asked.full, compare=asked.against is None))
        if asked.against is not None:
            others += line.measure(World(base, asked.against, asked.full, compare=False))
    print(file=sys.stderr)
    found = merged(rows)
    for row, other in zip(found, merged(others), strict=False):
        row.instead["against"] = other.now
    return found


if __name__ == "__main__":
    sys.exit(main())
