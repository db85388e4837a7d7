"""The lines of the table by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import bench_crowds
import bench_journal
import bench_page
import bench_served
import bench_small
import bench_sound
import bench_transfers
import bench_waits
from bench_table import Row
from bench_world import World


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what measures it once, and how often that is done."""

    measure: Callable[[World], list[Row]]
    times: int


LINES: Final = {
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
    "listening": Line(bench_sound.listening, 1),
    "meanwhile": Line(bench_sound.meanwhile, 1),
    "page-browser": Line(bench_page.seen, 1),
    "page-server": Line(bench_served.server, 1),
    "page-past": Line(bench_served.past, 1),
    "page-cost": Line(bench_served.cost, 1),
}
