"""What an error file says first, to people who see the folder only: what happened, and what they can do themselves.

No commands, no words of the machine room; the reason beside it has those for whoever looks after the service.
"""

from __future__ import annotations

from typing import Final

from diffio_watch.job import Because

_ASK: Final = "Ask whoever looks after the restoration service."
_AGAIN: Final = "Copy the recording into the folder again; the new file is picked up by itself."
_WAITS: Final = "You need do nothing here: it waits for a decision of whoever looks after the restoration service."
_NOT: Final = "This recording was not restored"

# by the reason's code: what happened, what an editor can do
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "empty": (f"{_NOT}, for the file is empty.", _AGAIN),
    "too_large": (f"{_NOT}, for it is larger than the service takes.",
                  "Split or compress it, and put the parts into the folder."),
    "not_media": (f"{_NOT}, for no sound was found in the file.",
                  f"Check that it plays. If it does: {_ASK[0].lower()}{_ASK[1:]}"),
    "no_sound": (f"{_NOT}, for it has a picture and no sound.",
                 "Put a version with sound into the folder, or ask whoever looks after the restoration service."),
    "truncated": (f"{_NOT}, for the file is cut short: its end is missing.", _AGAIN),
    "rejected": (f"{_NOT}, for the service refused it.", _ASK),
    "generation_failed": (f"{_NOT}: the service tried and could not.", _ASK),
    "gave_up": (f"{_NOT}: the service did not come to an end with it.", _ASK),
    "not_found": (f"{_NOT}: the service lost it.", _ASK),
    "output_unavailable": ("This recording was restored, and the result could not be fetched.", _ASK),
    "internal": (f"{_NOT}, for a fault of the program.", _ASK),
    "daily_limit": ("This recording waits, for what may be restored in a day is used up.",
                    "You need do nothing: it goes on tomorrow."),
    "drop_size": ("This recording waits: very many files came at once.",
                  f"If they are meant: {_ASK[0].lower()}{_ASK[1:]} If not, take them out of the folder again."),
    "unproven": ("This recording waits: it is not certain whether it was restored before.", _WAITS),
    "account_changed": ("This recording waits: the service's account was changed while it was being restored.", _WAITS),
    "conflict": ("This recording waits: the service gave a contradictory answer about it.", _WAITS),
    "duplicate_gone": ("This recording waits: it is a copy of an earlier one, whose result is gone.", _WAITS),
    "unreadable": ("This can't be read, so it was not restored yet.",
                   "Copy it into the folder again, or ask whoever looks after the folder's rights."),
    "in_use": ("This recording is held open by a program, so it was not restored yet.",
               "Close it in that program; it goes on by itself."),
}


def words(because: Because | None) -> tuple[str, str]:
    """What happened, and what an editor can do."""
    return _WORDS.get(because.code if because else "", (f"{_NOT}.", _ASK))


def drop_words(files: int) -> tuple[str, str]:
    """Likewise for a drop of so many files."""
    return (f"{files} recordings wait, for very many files came at once." if files > 1
            else "One recording waits, for very many files came at once."), _WORDS["drop_size"][1]
