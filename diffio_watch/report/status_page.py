"""`_status.html`: how one inbox is, for those who see its outbox only. The page's own shapes, as plain HTML. Pure.

No script, nothing from elsewhere, and nothing in it that acts: a name is text, and a link leads to a file beside it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from urllib.parse import quote_from_bytes

from diffio_watch.clock import from_rfc3339
from diffio_watch.disk import names
from diffio_watch.job import State
from diffio_watch.outbox.error_files import STATUS_MARK
from diffio_watch.report.shapes import Shape
from diffio_watch.report.spans import length

_ROWS: Final = 200
_NEEDS: Final = 60  # groups, at most
_STYLE: Final = """
:root { color-scheme: light dark; --soft: #59636e; --line: #d1d9e0; --bad: #b3261e; --warn: #8a5300; --good: #1a6b32; }
@media (prefers-color-scheme: dark) {
  :root { --soft: #9da7b3; --line: #3d444d; --bad: #ff8a80; --warn: #f0b429; --good: #5fd07f; }
}
body { font: 16px/1.45 system-ui, sans-serif; max-width: 46rem; margin: 0 auto; padding: 1rem; }
time.now { font-size: 2.2rem; font-weight: 650; font-variant-numeric: tabular-nums; }
header p { margin: 0; color: var(--soft); }
h1 { font-size: 1.35rem; margin: 1rem 0 0; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
.needs, .stopped, .away { color: var(--bad); }
.paused, .setup, .waits { color: var(--warn); }
.good, .busy { color: var(--good); }
ul { list-style: none; margin: 0; padding: 0; }
li { border-top: 1px solid var(--line); padding: .5rem 0; overflow-wrap: anywhere; }
li p { margin: 0; } small { color: var(--soft); font-size: .9rem; }
a { color: inherit; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def content(inbox: str, screen: Shape) -> str:
    """All that the page tells but its time: what is compared to see whether anything changed.

    Args:
        inbox: its name.
        screen: of this inbox alone.
    """
    verdict, parts, left = screen["verdict"], list[str](), _ROWS
    groups = [
        ("Needs somebody", [_need(one) for one in screen["needs"]], len(screen["needs"]), _NEEDS),
        ("Now", [_moving(one) for one in (*screen["arriving"], *screen["now"])],
         sum(len(screen[name]) + screen[f"{name}_more"] for name in ("arriving", "now")), _ROWS),
        ("Done today", [_done(one) for one in screen["done_today"]["jobs"]], screen["done_today"]["count"], _ROWS),
    ]
    for title, rows, count, most in groups:
        shown = rows[:min(left, most)]
        left -= len(shown)
        if shown:
            parts.append(_list(title, shown, count))
    queued = screen["queued"]
    if queued:
        parts.append(f"<p><small>{queued:,} {'waits its' if queued == 1 else 'wait their'} turn.</small></p>")
    return (f"<h1 class=\"{escape(verdict['level'])}\">{escape(verdict['message'])}</h1>\n"
            f"<p><small>Of the folder “{escape(inbox)}”</small></p>\n" + "\n".join(parts))


def page(told: str, now: float) -> bytes:
    """The whole page.

    Args:
        told: `content`.
        now: seconds since the epoch.
    """
    local = time.localtime(now)
    moment, day = time.strftime("%H:%M", local), time.strftime("%Y-%m-%d", local)
    text = f"""<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta http-equiv="refresh" content="20"><meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Recordings at {moment}</title>
<style>{_STYLE}</style></head><body>
<header><time class="now" datetime="{time.strftime('%Y-%m-%dT%H:%M:%S%z', local)}">{moment}</time>
<p>So it was on {day} at {moment}. This page is written anew as things change, and once an hour where nothing does: if
that is longer ago, ask your administrator.</p></header>
<main>
{told}
</main></body></html>
"""
    return STATUS_MARK + text.encode("utf-8", "backslashreplace")


def _list(title: str, rows: Sequence[str], count: int) -> str:
    more = f"<li><small>and {count - len(rows):,} more</small></li>" if count > len(rows) else ""
    return f"<h2>{title}</h2>\n<ul>\n" + "\n".join(f"<li>{row}</li>" for row in rows) + f"{more}\n</ul>"


def _need(one: Shape) -> str:
    shown = [_name(name) for name in one["names"]] or ([_name(one["sample"])] if one["sample"] else [])
    more = max(0, one["count"] - len(shown))
    return _row([*shown, *([f"<small>and {more:,} more</small>"] if more and shown else [])],
                one["message"], one["action"])


def _moving(job: Shape) -> str:
    still = job["waits"] or job["fraction"] is None or job["state"] == State.QUEUED
    part = "" if still else f", {round(job['fraction'] * 10) * 10:d} %"
    return _row([_name(job["path"])], f"{job['step']}{part}", job["waits"] or job["usual"] or "")


def _done(job: Shape) -> str:
    links = [f'<a href="{_href(one)}">{_name(one["path"])}</a>' for one in job["outputs"]
             if one["state"] == "published" and one["path"] is not None]
    at = job["delivered_at"]
    took = "" if not job["length_s"] else f", {length(job['length_s'])} long"
    return _row(links or [_name(job["path"])], f"done at {_clock(at)}{took}" if at else "done", "")


def _row(first: Iterable[str], *lines: str) -> str:
    told = [f"<p>{one}</p>" for one in first if one]
    return "".join([*told, *(f"<p><small>{escape(_calm(line))}</small></p>" for line in lines if line)])


def _name(path: str) -> str:
    """A path as text: what would act on a reader's eye stands there as its bytes."""
    return f"<bdi>{escape(_calm(path))}</bdi>"


def _calm(text: str) -> str:
    return names.terminal(text)


def _href(output: Shape) -> str:
    """A link to a file beside this page, whatever its name."""
    in_hex = output.get("path_hex")
    raw = bytes.fromhex(in_hex) if in_hex else os.fsencode(output["path"])
    return "./" + quote_from_bytes(raw, safe="/")


def _clock(moment: str) -> str:
    return time.strftime("%H:%M", time.localtime(from_rfc3339(moment) / 1e9))
