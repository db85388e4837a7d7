"""The `--json` shapes: what the journal holds, as other people's programs depend on it.

Pure: records in, plain JSON values out. Fields may be added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from diffio_watch import __version__
from diffio_watch.clock import rfc3339 as when
from diffio_watch.disk import names
from diffio_watch.job import Because, Event, Job, Output, State
from diffio_watch.journal import Halt, runs
from diffio_watch.journal.overview import Group
from diffio_watch.journal.records import InboxReport, SettlingEntry
from diffio_watch.journal.runs import InForce, Run, newer
from diffio_watch.journal.webhooks import WebhookFacts
from diffio_watch.reasons import told
from diffio_watch.report import attention as waits
from diffio_watch.report import notices, unheard, webhooks
from diffio_watch.report.attention import Attention
from diffio_watch.report.notices import NoticeFacts
from diffio_watch.report.running import how_to_start

if TYPE_CHECKING:
    from diffio_watch.config import Config, Inbox
    from diffio_watch.intake.explain import Explanation

Shape = dict[str, Any]


def named(path: str, key: str = "path") -> Shape:
    """A path, and its bytes in hexadecimal beside it where it is no UTF-8."""
    in_hex = names.path_hex(path)
    return {key: names.show(path)} | ({f"{key}_hex": in_hex} if in_hex else {})


def reason(found: Because | None) -> Shape | None:
    """A reason."""
    return None if found is None else {"code": found.code, "message": found.message, "action": found.action}


def output(one: Output) -> Shape:
    """One output of a job."""
    media = one.media
    return {
        "type": one.type, "state": one.state,
        **(named(one.path) if one.path is not None else {"path": None}),
        "size": one.size, "sha256": one.sha256, "mime_type": one.mime_type,
        "media": None if media is None else {"format": media.format, "duration_s": media.duration_s},
        "note": one.note,
    }


def job(one: Job) -> Shape:
    """A job as `jobs` lists it."""
    return {
        "id": one.id, "run": one.run, "inbox": one.inbox, **named(one.path), "state": one.state.value,
        "because": reason(one.because), "attempts": one.attempts, "project_id": one.project_id,
        "generation_id": one.generation_id, "model": one.settings.model, "progress": one.progress,
        "outputs": [output(each) for each in one.outputs], "original": one.original, "due_at": when(one.due_at or None),
        "created_at": when(one.created_at), "updated_at": when(one.updated_at),
    }


def whole_job(one: Job, history: Sequence[Event], sidecar: Shape | None) -> Shape:
    """A job as `show` and `journal export` tell it."""
    return job(one) | {
        "history": [{"at": when(event.at), "state": event.state.value, "detail": event.detail} for event in history],
        "sidecar": sidecar,
    }


@dataclass(frozen=True)
class Facts:
    """What `status` is made of, read from the journal in one go."""

    now: float
    pid: int | None  # of the daemon; 0 where it can't be told, None where none runs
    since: float | None
    halts: Mapping[str, Halt]
    pauses: Mapping[str, float]
    reports: Mapping[str, InboxReport]
    settling: Mapping[str, Sequence[SettlingEntry]]
    counts: Mapping[State, int]
    oldest_open: float | None
    run: Run | None = None  # the daemon's that runs, else the last one's
    in_force: InForce | None = None
    groups: Sequence[Group] = ()
    originals: Mapping[str, int] = field(default_factory=dict)
    webhooks: WebhookFacts | None = None
    notices: NoticeFacts | None = None
    unheard: Mapping[str, str] = field(default_factory=dict)  # what is in the way of listening, by key

    @property
    def running(self) -> bool:
        """Whether a daemon runs."""
        return self.pid is not None


def status(config: Config, facts: Facts) -> Shape:
    """How everything is."""
    return {
        "version": __version__,
        "daemon": {"running": facts.running, "pid": facts.pid or None, "since": when(facts.since),
                   "ended": None if facts.running else _ended(config, facts)},
        "halted": halted(facts.halts, running=facts.running),
        "paused": paused(config, facts.pauses),
        "inboxes": [_inbox(inbox, facts) for inbox in config.inboxes],
        "jobs": {state.value: facts.counts.get(state, 0) for state in State},
        "oldest_open_seconds": None if facts.oldest_open is None else round(max(0.0, facts.now - facts.oldest_open), 3),
        "config": configuration(facts),
        "attention": [_attention(one) for one in attention(config, facts)],
        "webhooks": webhooks.told(facts.webhooks, facts.unheard) if facts.running else None,
        "notices": notices.told(facts.notices) if facts.running else None,
        "unheard": unheard.told(facts.unheard) if facts.running else [],
    }


def configuration(facts: Facts) -> Shape | None:
    """The configuration that the daemon has in force, and where the file is not that any more."""
    known = facts.in_force
    if known is None or facts.pid is None:
        return None
    return {"file": known.file, "read_at": when(known.since), "newer": newer(known, facts.run)}


def halted(halts: Mapping[str, Halt], *, running: bool = True) -> Shape | None:
    """What stops the account, else what stops an origin."""
    wide = sorted(scope for scope in halts if not scope.startswith("inbox:"))  # "account" sorts before "origin:…"
    return halt(halts[wide[0]], running=running) if wide else None


def paused(config: Config, pauses: Mapping[str, float]) -> list[str]:
    """Names of the paused inboxes."""
    return [inbox.name for inbox in config.inboxes if "*" in pauses or inbox.name in pauses]


def stop(name: str, facts: Facts) -> Shape | None:
    """What stops one inbox: it is not there, the service refuses its model, or a person paused it."""
    found = waits.stop(name, facts.halts, facts.pauses, facts.reports)
    return None if found is None else halt(found, running=facts.running)


def attention(config: Config, facts: Facts) -> list[Attention]:
    """What waits for a person, most of all what stops a whole inbox."""
    inboxes = [inbox.name for inbox in config.inboxes]
    settling = facts.settling if facts.running else {}
    return [*waits.stops(inboxes, facts.halts, facts.pauses, facts.reports, running=facts.running),
            *waits.files(facts.groups, settling, facts.originals, running=facts.running, inboxes=inboxes)]


def _attention(one: Attention) -> Shape:
    return {"inbox": one.inbox, "what": one.what, "code": one.code or None, "count": one.count, "message": one.message,
            "action": one.action, **(named(one.path) if one.path is not None else {"path": None})}


def _ended(config: Config, facts: Facts) -> Shape:
    """How the last daemon ended, and what starts one."""
    run = facts.run
    return {"at": when(run.ended_at) if run else None, "code": run.code if run else None,
            "message": runs.how_it_ended(run) if run else None, "action": how_to_start(config.state_dir, run)}


def _inbox(inbox: Inbox, facts: Facts) -> Shape:
    report = facts.reports.get(inbox.name)
    polls = inbox.watch == "polling"
    return {
        "name": inbox.name, **named(str(inbox.path)), **named(str(inbox.outbox), "outbox"),
        "watch": report.watch if report else "polling" if polls else "events",
        "filesystem": report.filesystem if report else "",
        "available": report.available if report else inbox.path.is_dir(),
        "stopped": stop(inbox.name, facts),
        "settle_seconds": report.settle_seconds if report else _settle(inbox, polls=polls),
        "last_scan_at": when(report.last_scan_at) if report else None,
        "settling": [{**named(entry.path), "because": reason(entry.because), "since": when(entry.since),
                      "next_look_at": when(entry.next_look_at)}
                     for entry in (facts.settling.get(inbox.name, ()) if facts.running else ())],
        "note": report.note if report else "",
        "left_alone": report.left_alone if report else 0,
    }


def _settle(inbox: Inbox, *, polls: bool) -> float:
    return (30.0 if polls else 2.0) if inbox.settle == "auto" else inbox.settle


def halt(one: Halt, *, running: bool = True) -> Shape:
    """A stop; while no daemon runs, nobody looks whether it is over."""
    why = told(one.because, running=running)
    return {"reason": why.code, "message": why.message, "action": why.action, "since": when(one.since or None),
            "next_check_at": when(one.next_check_at) if running else None}


def explanation(found: Explanation) -> Shape:
    """Why a file is, or is not yet, or never will be picked up."""
    return {
        **named(found.path), "verdict": found.verdict, "because": reason(found.because),
        "rules": [{"rule": rule.name, "holds": rule.holds, "detail": rule.detail} for rule in found.rules],
        "next_look_at": when(found.next_look_at), "job": found.job.id if found.job is not None else None,
    }
