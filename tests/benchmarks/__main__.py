"""The table of how fast it is, beside what one would have instead: `python tests/benchmarks [LINE…]`.

Every line runs in temporary folders against the built-in stand-in for the service, which runs on the same cores. What
counts are the ratios: both sides of one are measured in turns, in the same run. Without arguments it takes all lines,
about fifteen minutes on two cores; with `--full` those that are scaled down have their full counts, and take longer.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from bench_lines import LINES
from bench_table import Row, markdown, merged, table
from bench_world import World


def main() -> int:
    """Measure what is asked for, and print the table; 1 if something could not be measured."""
    asked = _asked()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started it in the background
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was made goes then, too
    rows: list[Row] = []
    failed = False
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="diffio-watch-bench-", ignore_cleanup_errors=True) as folder:
        try:
            for name in asked.lines or LINES:
                try:
                    rows += _measure(name, asked, Path(folder))
                except (AssertionError, OSError, subprocess.SubprocessError):
                    traceback.print_exc()
                    failed = True
        except KeyboardInterrupt:
            print("broken off", file=sys.stderr)
            failed = True
    print(f"\n{len(os.sched_getaffinity(0))} cores, Python {sys.version.split()[0]}, "
          f"{time.monotonic() - began:.0f} s; medians\n")
    print((markdown if asked.markdown else table)(rows))
    return int(failed)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", nargs="*", metavar="LINE",
                        help=f"some of: {', '.join(LINES)}; `page` for all that begin so; all by default")
    parser.add_argument("--full", dest="scale", action="store_const", const="full", default="usual",
                        help="full counts: takes much longer")
    parser.add_argument("--few", dest="scale", action="store_const", const="few",
                        help="so few that it shows no more than that everything can be measured")
    parser.add_argument("--times", type=int, metavar="N", help="how often each line is measured")
    parser.add_argument("--program", metavar="PATH", help="the diffio-watch to measure; by default that of this Python",
                        default=str(Path(sys.executable).with_name("diffio-watch")))
    parser.add_argument("--against", metavar="PATH",
                        help="another diffio-watch, measured in turns with it in place of what one would have instead")
    parser.add_argument("--markdown", action="store_true", help="print the table as it stands in the README")
    asked = parser.parse_args()
    lines = {name: [line for line in LINES if line == name or line.startswith(f"{name}-")] for name in asked.lines}
    if unknown := [name for name, found in lines.items() if not found]:
        parser.error(f"no such line: {', '.join(sorted(unknown))}; there are {', '.join(LINES)}")
    asked.lines = [line for found in lines.values() for line in found]
    if missing := [program for program in ("curl", "find") if shutil.which(program) is None]:
        parser.error(f"not there: {', '.join(missing)}, from Debian's packages curl and findutils")
    if importlib.util.find_spec("diffio") is None:
        parser.error("the official SDK is not there, which it is compared with: pip install -e '.[test]'")
    return asked


def _measure(name: str, asked: argparse.Namespace, base: Path) -> list[Row]:
    line, rows, others = LINES[name], [], []
    began = time.monotonic()
    for turn in range(asked.times or line.times):
        print(f"{name} {turn + 1}", end=" ", file=sys.stderr, flush=True)
        rows += line.measure(World(base, asked.program, asked.scale, compare=asked.against is None))
        if asked.against is not None:
            others += line.measure(World(base, asked.against, asked.scale, compare=False))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    found = merged(rows)
    for row in merged(others):
        next(one for one in found if one.what == row.what).instead["against"] = row.now
    return found


if __name__ == "__main__":
    sys.exit(main())
