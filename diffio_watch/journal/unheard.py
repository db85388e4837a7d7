"""What the journal remembers of addresses that can't be listened at just now, for those who look on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from diffio_watch.journal import Journal

_NAME: Final = "unheard"


def remember(journal: Journal, missing: Mapping[str, str]) -> None:
    """By the key that has each, such as `web.listen`, what is in the way. A power cut may take it back."""
    if dict(missing) != last_known(journal):
        with journal.transaction(synced=False):
            journal.set_meta(_NAME, json.dumps(dict(missing)) if missing else None)


def last_known(journal: Journal) -> dict[str, str]:
    """What the daemon that runs, or the last one, said of it; nothing where it listens wherever it is to."""
    text = journal.meta(_NAME)
    return dict(json.loads(text)) if isinstance(text, str) else {}
