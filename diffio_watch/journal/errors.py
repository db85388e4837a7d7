"""What can go wrong with the journal, drawn in one place."""

from __future__ import annotations


class JournalError(Exception):
    """Root of the family. Its text is one sentence with what to do."""


class JournalMissing(JournalError):
    """There is no journal, and the caller must not make one."""


class JournalLocked(JournalError):
    """Another daemon holds this journal."""


class JournalCorrupt(JournalError):
    """The file is damaged, no journal, or newer than this program. Nothing may be spent on its word."""


class JournalTrouble(JournalError):
    """The disk beneath refused: full, read-only, or an I/O error.

    `fatal`: a sync failed, so that no commit may be trusted to be on disk; the process has to end.
    """

    def __init__(self, message: str, *, fatal: bool) -> None:
        super().__init__(message)
        self.fatal = fatal


class CopyFailed(JournalError):
    """A copy of the journal could not be written; the journal itself is as it was."""


class Stale(JournalError):
    """The row is no longer what the caller read: somebody else moved the job meanwhile."""


class NameReserved(JournalError):
    """Another job has reserved one of the names."""
