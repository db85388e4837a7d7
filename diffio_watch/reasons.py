"""Every reason this program gives: its stable code, the sentence an editor understands, the next step.

Codes are part of the outside contract. A reason is made by `because(code, **facts)`; the sentence's fields are
filled from the facts. The README's "When things go wrong" tells the same codes, and a test compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from diffio_watch.job import Because, Job, State


class Kind(StrEnum):
    """What a reason does to the work."""

    FAILED = "failed"
    HELD = "held"
    PARKED = "parked"  # the job keeps its state and gets a later due_at
    INBOX = "inbox"  # stops one inbox; nothing fails
    HALT = "halt"  # stops the account, or one origin
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    SETTLING = "settling"  # why a file is not picked up yet
    IGNORED = "ignored"  # why a file never will be


@dataclass(frozen=True, slots=True)
class Reason:
    """One row of the table. `message` and `action` are format strings."""

    kind: Kind
    message: str
    action: str


_NOTHING = "Nothing to do."
_BY_ITSELF = "Nothing to do: it goes on by itself."
_RETRY = "`diffio-watch retry {job}` tries again and pays nothing twice."

REASONS: Final[dict[str, Reason]] = {
    # failed
    "empty": Reason(Kind.FAILED, "The file is empty (0 bytes).",
                    "Copy the recording again; the new file is picked up by itself."),
    "too_large": Reason(Kind.FAILED, "The file has {size}; the service takes at most {limit}.",
                        "Split or compress the recording and drop it again."),
    "not_media": Reason(Kind.FAILED, "No audio or video was found in the file.",
                        "Check that it plays. `diffio-watch retry --as-is {job}` sends it all the same."),
    "no_sound": Reason(Kind.FAILED, "There is a picture in the file and no sound.",
                       "Check that it is the right one. `diffio-watch retry --as-is {job}` sends it all the same."),
    "truncated": Reason(Kind.FAILED, "The file is cut short: {detail}.",
                        "Copy it again. `diffio-watch retry --as-is {job}` sends it all the same."),
    "rejected": Reason(Kind.FAILED, "The service refused it: {detail}.",
                       "Read the service's words, change what they name, then " + _RETRY),
    "generation_failed": Reason(Kind.FAILED, "The service could not restore it: {detail}.",
                                "`diffio-watch retry --fresh {job}` buys a new generation."),
    "gave_up": Reason(Kind.FAILED, "The service did not finish within {limit}.",
                      "`diffio-watch retry --fresh {job}` buys a new generation."),
    "not_found": Reason(Kind.FAILED, "The service no longer knows its project.",
                        "Ask the service about project {project}; " + _RETRY),
    "output_unavailable": Reason(Kind.FAILED, "No output could be had from the finished generation: {detail}.",
                                 _RETRY),
    "internal": Reason(Kind.FAILED, "An error of this program: {detail}.",
                       "Report it with the log; " + _RETRY),
    # held
    "daily_limit": Reason(Kind.HELD, "The day's limit is reached ({detail}).",
                          "It goes on tomorrow, or at once with `diffio-watch approve {job}`."),
    "drop_size": Reason(Kind.HELD, "More than {limit} new files came at once; a person has to say that they are meant.",
                        "`diffio-watch approve --inbox {inbox}` restores them all, `cancel` leaves them."),
    "unproven": Reason(Kind.HELD, "The journal was lost or has a gap, and it does not show whether this was restored before. {detail}.",
                       "`diffio-watch approve {job}` pays for it, `cancel {job}` leaves it."),
    "account_changed": Reason(Kind.HELD, "Its generation was sent with another API key or address, and this one can't see it.",
                              "Put the old key back and `diffio-watch approve {job}`, or `retry --fresh {job}` pays again."),
    "conflict": Reason(Kind.HELD, "The service says that its generation belongs to something else: {detail}.",
                       "Compare with `diffio-watch remote generations {project}`; `retry --fresh {job}` pays again."),
    "duplicate_gone": Reason(Kind.HELD, "It is a copy of {other}, whose outputs are gone and can't be fetched again.",
                             "`diffio-watch approve {job}` pays for a new generation, `cancel {job}` leaves it."),
    # parked
    "unreadable": Reason(Kind.PARKED, "The file can't be read: {detail}.",
                         "Give the service's user the right to read it; it is looked at again by itself."),
    "in_use": Reason(Kind.PARKED, "Another program holds it: {detail}.",
                     "Close it in that program; it goes on by itself."),
    "disk": Reason(Kind.PARKED, "The disk can't take it: {detail}.", "Make room or mend the disk; it goes on by itself."),
    "no_right": Reason(Kind.PARKED, "The service's user may not write its result: {detail}.",
                       "Give that user the right to write there; it goes on by itself, and nothing is bought again."),
    "in_the_way": Reason(Kind.PARKED, "Something stands where its result is to go: {detail}.",
                         "Move that away; it goes on by itself, and nothing is bought again."),
    "rate_limited": Reason(Kind.PARKED, "The service asks for a pause.", _BY_ITSELF),
    "service_error": Reason(Kind.PARKED, "The service did not answer as it should: {detail}.", _BY_ITSELF),
    "not_ready": Reason(Kind.PARKED, "The service does not give it out yet: {detail}.", _BY_ITSELF),
    "other_service": Reason(Kind.PARKED, "It belongs to the service at {base_url}, and another one is configured.",
                            "Put `api.base_url` back to go on with it, or `cancel {job}`."),
    "changed": Reason(Kind.PARKED, "The file changed while it was read; it has to settle again.", _BY_ITSELF),
    "twin": Reason(Kind.PARKED, "It may be a copy of {other}, which is being read first.", _BY_ITSELF),
    "too_slow": Reason(Kind.PARKED, "Sending it takes about {needed}, and the service keeps an upload open for {life} only.",
                       "Compress or split the recording, or see to a faster line; it is tried again by itself, alone."),
    "key_away": Reason(Kind.PARKED, "It waits for the API key: {detail}.", _BY_ITSELF),
    "turn": Reason(Kind.PARKED, "It waits for its turn: {detail}.", _BY_ITSELF),
    # stops of one inbox
    "unavailable": Reason(Kind.INBOX, "The inbox is not there: {detail}.",
                          "Mount it, or bring its marker back; `diffio-watch journal adopt {inbox}` takes over a new folder."),
    "outbox_unavailable": Reason(Kind.INBOX, "The outbox is not there: {detail}.",
                                 "Mount it, or bring its marker back; `diffio-watch journal adopt {inbox}` takes over a new folder."),
    "outbox_full": Reason(Kind.INBOX, "The outbox has {free} left, less than `limits.min_free` ({limit}).",
                          "Make room; it goes on by itself."),
    "model_retired": Reason(Kind.INBOX, "The service has retired the model {model}.",
                            "Set `model` of inbox {inbox} to one of {models}, reload (`systemctl reload diffio-watch`, or SIGHUP), and `diffio-watch retry` what waits."),
    "model_unknown": Reason(Kind.INBOX, "The service does not know the model {model}.",
                            "Set `model` of inbox {inbox} to one of {models}, reload (`systemctl reload diffio-watch`, or SIGHUP), and `diffio-watch retry` what waits."),
    "forbidden": Reason(Kind.INBOX, "The service forbids the model {model} to this key: {detail}.",
                        "Check the plan and the key's permissions, or set another `model` of inbox {inbox}."),
    "paused": Reason(Kind.INBOX, "Paused by a person.", "`diffio-watch resume` goes on."),
    # halts
    "auth": Reason(Kind.HALT, "The API key does not work: {detail}.",
                   "Put a valid key in place: one in `api.key_file` is read again by itself, any other takes a restart. "
                   "`diffio-watch resume` probes at once."),
    "billing": Reason(Kind.HALT, "The service has a billing hold on the account: {detail}.",
                      "Settle the payment; `diffio-watch resume` probes at once."),
    "spend_limit": Reason(Kind.HALT, "The key's spend limit is reached: {detail}.",
                          "Raise the limit or wait for the next period; `diffio-watch resume` probes at once."),
    "service_down": Reason(Kind.HALT, "{origin} does not answer: {detail}.", _BY_ITSELF),
    # ended without a fault
    "duplicate": Reason(Kind.SKIPPED, "It is a copy of {other}, which was restored before.",
                        "`duplicates: process` in the configuration restores copies of later files too."),
    "own_output": Reason(Kind.SKIPPED, "It is the restored {other}: this program made it, and restores nothing twice.",
                         "`diffio-watch retry --fresh {job}` restores it once more all the same, and pays."),
    "vanished": Reason(Kind.CANCELLED, "The file went away before its upload was complete.", _NOTHING),
    "discarded": Reason(Kind.CANCELLED, "Cancelled by a person.", "`diffio-watch retry {job}` takes it up again."),
    # settling
    "settling": Reason(Kind.SETTLING, "The file may still be growing; it has to be unchanged for {seconds} s.", _BY_ITSELF),
    "open_for_writing": Reason(Kind.SETTLING, "A program holds the file open for writing.",
                               "Close it in that program; it goes on by itself."),
    "cut_short": Reason(Kind.SETTLING, "The file is cut short, so its copy may be under way: {detail}.",
                        "Nothing to do while it is copied; where nothing comes for 15 minutes it fails as `truncated`."),
    "empty_yet": Reason(Kind.SETTLING, "The file is still empty, so its copy may be under way.",
                        "Nothing to do while it is copied; where nothing comes for 5 minutes it is told as `empty`."),
    # ignored
    "junk": Reason(Kind.IGNORED, "Its name is on the built-in junk list ({detail}).", "Rename it if it is a recording."),
    "excluded": Reason(Kind.IGNORED, "`exclude` names it ({detail}).", "Change `exclude` of inbox {inbox}, and reload (`systemctl reload diffio-watch`, or SIGHUP)."),
    "not_included": Reason(Kind.IGNORED, "`include` does not name it.", "Change `include` of inbox {inbox}, and reload (`systemctl reload diffio-watch`, or SIGHUP)."),
    "left_alone": Reason(Kind.IGNORED, "Its name does not say what it is, and no sound was found in it.",
                         "Give it the extension of its kind, such as `.wav`, if it is a recording."),
    "not_recursive": Reason(Kind.IGNORED, "It is in a folder below, and `recursive` is off.",
                            "Move it up, or set `recursive: true`."),
    "other_root": Reason(Kind.IGNORED, "It lies in {detail}, which is the root of an inbox, an outbox or an archive itself: "
                                       "a marker of this program is in it.",
                         "Copy the recording itself here; a folder with a marker is never looked through."),
    "not_regular": Reason(Kind.IGNORED, "It is no regular file but a {detail}.", "Copy the recording itself here."),
    "link": Reason(Kind.IGNORED, "It is a symbolic link{detail}.", "Copy the recording itself here."),
}


# other words for a code that has several causes: by their name, the code and its row
_CASES: Final[dict[str, tuple[str, Reason]]] = {
    "bare": ("empty", Reason(
        Kind.FAILED, "There is no sound in the file yet: it has a header and not a single sample.",
        "Copy the recording again; the new file is picked up by itself.")),
    "no_look": ("unreadable", Reason(
        Kind.PARKED, "It can't be looked into: {detail}.",
        "Give the service's user the right to read it and what is in it; it is looked at again by itself.")),
    "no_way": ("unreadable", Reason(
        Kind.PARKED, "It can't be looked at: {detail}.",
        "Move what is in it to where it can be, for instance up; it is looked at again by itself.")),
    "share_away": ("unreadable", Reason(
        Kind.PARKED, "The share or disk that it is on does not give it out: {detail}.",
        "Mount it again, or mend it; it goes on by itself.")),
    "host_short": ("disk", Reason(
        Kind.PARKED, "The system has no more to give: {detail}.",
        "It goes on by itself; if it lasts, give the service more memory or open files (`LimitNOFILE`).")),
    "rest_of_drop": ("drop_size", Reason(
        Kind.HELD, "What comes within {minutes} min of files that were left out is held; a person has to say that it is meant.",
        "`diffio-watch approve --inbox {inbox}` restores it all, `cancel` leaves it.")),
    "left_out": ("unavailable", Reason(
        Kind.INBOX, "The inbox {inbox} is configured no more.",
        "What is paid for is still fetched while its outbox is there. Put the inbox back into the configuration to go on "
        "with the rest, or `cancel` it.")),
    "hidden_taken": ("disk", Reason(
        Kind.PARKED, "What was fetched into the outbox was gone before it could be shown there: {detail}.",
        "After a power failure this is ordinary. Else keep other programs from taking hidden files (their names begin with "
        "a dot) out of the outbox. It goes on by itself, and nothing is bought again.")),
    "outbox_away": ("disk", Reason(
        Kind.PARKED, "The outbox is not there: {detail}.", "Mount it again; it goes on by itself.")),
    "bad_name": ("in_the_way", Reason(
        Kind.PARKED, "The outbox's filesystem takes no such name: {detail}.",
        "Rename the original; it goes on by itself, and nothing is bought again.")),
    "upload_forbidden": ("forbidden", Reason(
        Kind.INBOX, "The service forbids this key to upload anything: {detail}.",
        "Check the key's permissions; it goes on by itself.")),
    "download_forbidden": ("forbidden", Reason(
        Kind.INBOX, "The service forbids this key to fetch results, so nothing more is bought: {detail}.",
        "Give the key the permission to download, or put another one in place; it goes on by itself.")),
    "hangs": ("unavailable", Reason(
        Kind.INBOX, "The share hangs: a file call has not come back for {seconds} s.",
        "It goes on as soon as the share answers, or once it is unmounted (`umount -l`) and mounted anew.")),
    "inbox_refused": ("unavailable", Reason(
        Kind.INBOX, "The inbox {path}, or its marker, can't be read by this user.",
        "Give the service's user the right to read it, and to come through the folders above it; it goes on by itself.")),
    "inbox_unsure": ("unavailable", Reason(
        Kind.INBOX, "The inbox may as well be the folder beneath a share that is not mounted: {detail}.",
        "Mount the share, or let the service's user write there; it goes on by itself. If it is the right folder as it is, "
        "`diffio-watch journal adopt {inbox}` says so.")),
    "outbox_refused": ("outbox_unavailable", Reason(
        Kind.INBOX, "The outbox {path} can't be written by this user.",
        "Give the service's user the right to write it; it goes on by itself.")),
    "archive_gone": ("outbox_unavailable", Reason(
        Kind.INBOX, "The archive {path} is not there: {detail}.",
        "Mount it, or bring its marker back; `diffio-watch journal adopt {inbox}` takes over a new folder.")),
    "archive_refused": ("outbox_unavailable", Reason(
        Kind.INBOX, "The archive {path} can't be written by this user.",
        "Give the service's user the right to write it; it goes on by itself.")),
}

NO_JOB: Final = "JOB"  # where a job has no id yet


class _Facts(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?" if key != "job" else NO_JOB


def because(code: str, **facts: object) -> Because:
    """The reason `code`, or one of its cases by name, with its sentence and action filled from `facts`.

    Raises:
        KeyError: there is no such code.
    """
    code, reason = _CASES[code] if code in _CASES else (code, REASONS[code])
    # what others said often ends with a full stop, and ours follows it
    table = _Facts({name: str(value).rstrip(". ") if name == "detail" else value for name, value in facts.items()})
    return Because(code, reason.message.format_map(table), reason.action.format_map(table))


_ENDS: Final = frozenset({Kind.FAILED, Kind.SKIPPED, Kind.CANCELLED, Kind.IGNORED})
_BY_THEMSELVES: Final = re.compile(r"\bby (?:itself|themselves)\b")
_ASLEEP: Final = "No daemon runs: nothing of this goes on before one is started."


def told(reason: Because, *, running: bool) -> Because:
    """The reason as it is true now: while no daemon runs, nothing goes on by itself.

    Args:
        reason: as it was given.
        running: whether a daemon runs.
    """
    if running:
        return reason
    if reason.action == _BY_ITSELF:
        return replace(reason, action="No daemon runs: start it, and it goes on.")
    action = _BY_THEMSELVES.sub("once a daemon runs", reason.action)
    row = REASONS.get(reason.code)
    if action == reason.action and row is not None and row.kind not in _ENDS and not _decided(reason.code):
        action = f"{action} {_ASLEEP}"
    return replace(reason, action=action)


def _decided(code: str) -> bool:
    """Whether a hold ends by a person's word alone, whatever runs."""
    return REASONS[code].kind is Kind.HELD and code != "daily_limit"


def still_empty(job: Job, now: float) -> bool:
    """Whether a file that failed as empty may yet be filled: many programs make a file first and copy into it later.

    It fails at once, and is told only when its error file is due. Where it was filled or went away, it is another's turn.
    """
    return (job.state is State.FAILED and job.because is not None and job.because.code == "empty"
            and job.wish != "away" and not job.error_file and job.due_at is not None and job.due_at > now)
