"""What the last `check` found, kept beside the journal for the page. Small, and of no use to anything else."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from diffio_watch.clock import rfc3339

_FILE: Final = "last-check.json"
_LARGEST: Final = 65_536  # bytes
_TOLD: Final = 5  # findings


def keep(state_dir: Path, at: float, findings: list[tuple[str, str, str]]) -> None:
    """Remember what was found, if this user may; it was told to whoever asked in any case.

    Args:
        state_dir: the journal's folder.
        at: seconds since the epoch.
        findings: of each its level, its subject and its message.
    """
    bad = [one for one in findings if one[0] != "ok"]
    errors = sum(level == "error" for level, _, _ in bad)
    warnings = len(bad) - errors
    told = "; ".join(f"{subject}: {message}" for _, subject, message in bad[:_TOLD])
    words = "all is well" if not bad else f"{errors} errors, {warnings} warnings: {told}"
    text = json.dumps({"at": rfc3339(at), "errors": errors, "warnings": warnings, "message": words})
    temp = state_dir / f".{_FILE}.part"
    with suppress(OSError):
        temp.unlink(missing_ok=True)
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text[:_LARGEST])
        temp.replace(state_dir / _FILE)


def read(state_dir: Path) -> dict[str, Any] | None:
    """What the last one found; None where none is known."""
    try:
        descriptor = os.open(state_dir / _FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("message"), str) or not isinstance(found.get("at"), str):
        return None
    return {"at": found["at"], "errors": found.get("errors"), "warnings": found.get("warnings"),
            "message": found["message"]}
