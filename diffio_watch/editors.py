"""What editors are told of each reason: what happened, what they can do themselves, and who has to act.

Editors see a folder and a page, never a terminal: no commands here, and no words of the machine room. Error files, the
page and `_status.html` say the same. What an administrator is told of the same reason stands in `reasons`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from diffio_watch.job import Because, State

Who = Literal["editor", "administrator", "nobody"]

# where one recording is, in words
STEPS: Final = {
    State.QUEUED: "waits its turn", State.UPLOADING: "is being sent", State.GENERATING: "is being restored",
    State.WAITING: "is being restored", State.DOWNLOADING: "is being fetched", State.DELIVERED: "done",
    State.HELD: "needs a yes", State.FAILED: "did not work", State.SKIPPED: "is a copy",
    State.CANCELLED: "left out",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What an editor is told.

    Attributes:
        who: has to act.
        message: what happened, a sentence.
        action: what to do, a sentence or two.
    """

    who: Who
    message: str
    action: str


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table. The fields of its format strings are in `_ONE` and `_MANY`, and {inbox}."""

    who: Who
    message: str
    action: str


_ONE: Final = {"they": "This recording", "were": "was", "wait": "waits", "is": "is", "have": "has", "it": "it",
               "goes": "goes", "file": "the file", "files_are": "the file is", "a_copy": "a copy", "itself": "itself",
               "them": "it"}
_MANY: Final = {"were": "were", "wait": "wait", "is": "are", "have": "have", "it": "they", "goes": "go",
                "file": "the files", "files_are": "the files are", "a_copy": "copies", "itself": "themselves",
                "them": "them"}

_ASK: Final = "Ask your administrator."
_AGAIN: Final = "Copy {them} into the folder again; what is new there is picked up by itself."
_NOTHING: Final = "Nothing to do."
_ON: Final = "Nothing to do: {it} {goes} on by {itself}."
_SETTLES: Final = "Your administrator has to settle it. Nothing is lost."
_DECIDES: Final = "Nothing is lost: {it} {wait} until your administrator has decided."
_NOT: Final = "{they} {were} not restored"
_STANDS: Final = "Restoring stands still"

_ROWS: Final[dict[str, _Row]] = {
    # failed
    "empty": _Row("editor", f"{_NOT}: {{files_are}} empty.", _AGAIN),
    "too_large": _Row("editor", f"{_NOT}: {{files_are}} larger than the service takes.",
                      "Split or compress {them}, and put the parts into the folder."),
    "not_media": _Row("editor", f"{_NOT}: no sound was found in {{file}}.",
                      "Check that {it} can be played. If so, take {them} to your administrator."),
    "no_sound": _Row("editor", f"{_NOT}: {{file}} {{have}} a picture and no sound.",
                     "Put a version with sound into the folder, or ask your administrator."),
    "truncated": _Row("editor", f"{_NOT}: {{files_are}} cut short, the end is missing.", _AGAIN),
    "rejected": _Row("administrator", f"{_NOT}: the service refused {{them}}.", _ASK),
    "generation_failed": _Row("administrator", f"{_NOT}: the service tried and could not.", _ASK),
    "gave_up": _Row("administrator", f"{_NOT}: the service did not come to an end with {{them}}.", _ASK),
    "not_found": _Row("administrator", f"{_NOT}: the service lost {{them}}.", _ASK),
    "output_unavailable": _Row("administrator", "{they} {were} restored, and the result could not be fetched.", _ASK),
    "internal": _Row("administrator", f"{_NOT}: the program has a fault.", _ASK),
    # held
    "daily_limit": _Row("nobody", "{they} {wait}: what may be restored in a day is used up.",
                        "Nothing to do: {it} {goes} on tomorrow."),
    "drop_size": _Row("editor", "{they} {wait}: very many files came at once.",
                      "If {it} {is} meant, ask your administrator to approve {them}. If not, take {them} out of the "
                      "folder again."),
    "unproven": _Row("administrator", "{they} {wait}: it is not certain whether {it} {were} restored before.",
                     _DECIDES),
    "account_changed": _Row("administrator", "{they} {wait}: the service's account was changed in between.",
                            _DECIDES),
    "conflict": _Row("administrator", "{they} {wait}: the service contradicts itself about {them}.", _DECIDES),
    "duplicate_gone": _Row("administrator", "{they} {is} {a_copy} of what was restored before, and that result is "
                           "gone.",
                           _DECIDES),
    # parked
    "unreadable": _Row("editor", "{they} can't be read, so {it} {were} not restored yet.",
                       "Copy {them} into the folder again, or ask your administrator."),
    "in_use": _Row("editor", "{they} {is} held open by a program, so {it} {were} not restored yet.",
                   "Close {them} in that program; {it} {goes} on by {itself}."),
    "disk": _Row("administrator", "{they} {is} restored, and the results folder can't take the result now.",
                 "Nothing is lost: {it} {goes} on by {itself} once there is room."),
    "no_right": _Row("administrator", "{they} {wait}: the results folder may not be written.",
                     "Nothing is lost: {it} {goes} on by {itself} once your administrator has allowed it."),
    "in_the_way": _Row("editor", "{they} {wait}: something stands where the result is to go.",
                       "Ask your administrator what it is, and move it away; {it} {goes} on by {itself}."),
    "rate_limited": _Row("nobody", "{they} {wait}: the service asks for a pause.", _ON),
    "service_error": _Row("nobody", "{they} {wait}: the service did not answer as it should.", _ON),
    "not_ready": _Row("nobody", "{they} {wait}: the service does not give the result out yet.", _ON),
    "other_service": _Row("administrator", "{they} {wait}: {it} {were} sent to another service than now.",
                          _DECIDES),
    "changed": _Row("nobody", "{they} {were} changed while being read.", _ON),
    "twin": _Row("nobody", "{they} may be {a_copy} of what is being restored already.", _ON),
    "too_slow": _Row("editor", "{they} {wait}: on this line the sending takes too long.",
                     "Compress or split {them}, or ask your administrator for a faster line."),
    "key_away": _Row("nobody", "{they} {wait}: this machine can't read its key to the service now.", _ON),
    "turn": _Row("nobody", "{they} {wait}: others come first.", _ON),
    # stops of one inbox
    "unavailable": _Row("administrator", "The share “{inbox}” is not there.", "It goes on by itself when it is back."),
    "outbox_unavailable": _Row("administrator", "The results folder of “{inbox}” is not there.",
                               "It goes on by itself when it is back."),
    "outbox_full": _Row("editor", "The results folder of “{inbox}” is full.", "Make room there; it goes on by itself."),
    "model_retired": _Row("administrator", f"{_STANDS} in “{{inbox}}”: the service no longer offers what it is set to.",
                          _SETTLES),
    "model_unknown": _Row("administrator", f"{_STANDS} in “{{inbox}}”: the service does not know what it is set to.",
                          _SETTLES),
    "forbidden": _Row("administrator", f"{_STANDS} in “{{inbox}}”: the service does not allow it.", _SETTLES),
    "paused": _Row("administrator", "“{inbox}” is paused.", "It goes on when somebody resumes it. Nothing is lost."),
    # halts
    "auth": _Row("administrator", f"{_STANDS}: the service does not accept the key.", _SETTLES),
    "billing": _Row("administrator", f"{_STANDS}: the service has a billing hold.", _SETTLES),
    "spend_limit": _Row("administrator", f"{_STANDS}: the spend limit is reached.", _SETTLES),
    "service_down": _Row("nobody", f"{_STANDS}: the service does not answer.",
                         "It goes on by itself. Nothing is lost."),
    # ended without a fault
    "duplicate": _Row("nobody", "{they} {is} {a_copy} of what was restored before.", _NOTHING),
    "own_output": _Row("nobody", "{they} {is} a result already: nothing is restored twice.", _NOTHING),
    "vanished": _Row("nobody", "{they} went away before anything was done.", _NOTHING),
    "discarded": _Row("nobody", "{they} {were} left out by somebody.", _NOTHING),
    # not picked up yet
    "settling": _Row("nobody", "{they} may still be growing.", _ON),
    "open_for_writing": _Row("editor", "{they} {is} still open in a program.",
                             "Close {them} there; {it} {goes} on by {itself}."),
    "cut_short": _Row("nobody", "The end is still missing, so the copying may not be over.",
                      "Nothing to do while it is copied."),
    "empty_yet": _Row("nobody", "Nothing is in it yet, so the copying may not be over.",
                      "Nothing to do while it is copied."),
    # never picked up
    "junk": _Row("editor", "It is not restored: its name is one that systems and programs use for their own files.",
                 "Rename it if it is a recording."),
    "excluded": _Row("administrator", "It is not restored: such names are excluded here.",
                     "Ask your administrator if it is to be restored."),
    "not_included": _Row("administrator", "It is not restored: such files are not taken here.",
                         "Ask your administrator if it is to be restored."),
    "left_alone": _Row("editor", "It is not restored: its name does not say what it is, and no sound was found in it.",
                       "If it is a recording, give it the ending of its kind, such as .wav."),
    "not_recursive": _Row("editor", "It is not restored: folders below are not looked through here.",
                          "Move it up into the folder itself."),
    "other_root": _Row("editor", "It is not restored: it lies in a folder that has another use.",
                       "Copy the recording itself into the folder."),
    "not_regular": _Row("editor", "It is not restored: it is no ordinary file.",
                        "Copy the recording itself into the folder."),
    "link": _Row("editor", "It is not restored: it only points to a file elsewhere.",
                 "Copy the recording itself into the folder."),
}
CODES: Final = frozenset(_ROWS)
_NAMES_ANOTHER: Final = frozenset({"duplicate"})  # whose own sentence is an editor's too, and tells which other file
_UNKNOWN: Final = _Row("administrator", f"{_NOT}.", _ASK)


def words(because: Because | None, count: int = 1, inbox: str = "") -> Words:
    """What an editor is told of a reason.

    Args:
        because: the reason; one that this version never heard of is told all the same.
        count: of how many recordings.
        inbox: the name of theirs.
    """
    row = _ROWS.get(because.code, _UNKNOWN) if because is not None else _UNKNOWN
    fields = {**(_ONE if count == 1 else _MANY | {"they": f"{count:,} recordings"}), "inbox": inbox}
    message = _sentence(row.message, fields)
    if because is not None and because.message and count == 1 and because.code in _NAMES_ANOTHER:
        message = because.message
    return Words(row.who, message, _sentence(row.action, fields))


def _sentence(text: str, fields: dict[str, str]) -> str:
    filled = text.format_map(fields)
    return filled[:1].upper() + filled[1:]
