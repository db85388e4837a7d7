"""How long messages wait for the file with addresses: for a while in all, however often the daemon starts.

What was told to some is told to the others never, so a file that can't be read yet is waited for; but not for ever.
Seconds that passed are added up, so that no clock that is set and no week without the daemon changes them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from diffio_watch.journal import Journal
from diffio_watch.journal.notice_records import AddressFile
from diffio_watch.service.notices.addresses import Addresses

PATIENCE: Final = 300.0  # seconds
_STEP: Final = 15.0  # … of waiting, after which they are noted
_FIRST_STEP: Final = 1.0  # … in each run: one that ends again and again comes to the end of them too


class Patience:
    """Whether messages wait, and what is known of the file from run to run.

    Args:
        journal: where that is kept.
    """

    def __init__(self, journal: Journal) -> None:
        self._notices = journal.notices
        self._file: AddressFile | None = None
        self._noted: AddressFile | None = None  # as it stands in the journal
        self._counted: float | None = None  # until when seconds were added, where they are
        self._step = _FIRST_STEP

    def begin(self) -> None:
        """Take up what the last run knew."""
        self._file = self._noted = self._notices.address_file()

    @property
    def spent(self) -> bool:
        """Whether there is none left."""
        return self._file is not None and self._file.waited >= PATIENCE

    def expects(self, file: Path | None) -> bool:
        """Whether somebody stood in a file when it was read last, in this run or before."""
        return self._file is not None and self._file.path == str(file) and self._file.somebody

    def waits(self, found: Addresses, steady: float) -> bool:
        """Whether all that is to be told waits for the file.

        Args:
            found: whom to tell, as far as that is known.
            steady: seconds of a clock that nobody sets.
        """
        if found.file is None:
            self.forget()
            return False
        path = str(found.file)
        if not found.lacks_file:
            self._file, self._counted = AddressFile(path, somebody=bool(found.listed)), None
        elif self._file is None or self._file.path != path:
            self._file, self._counted = AddressFile(path), steady
        else:
            more = 0.0 if self._counted is None else steady - self._counted
            self._file, self._counted = replace(self._file, waited=min(PATIENCE, self._file.waited + more)), steady
        self._keep(self._file)
        return found.lacks_file and not self.spent

    def forget(self) -> None:
        """Nobody is to be told by a file."""
        self._file = self._counted = None
        if self._noted is not None:
            self._notices.set_address_file(None)
            self._noted = None

    def _keep(self, file: AddressFile) -> None:
        noted = self._noted or AddressFile("")
        if replace(noted, waited=0.0) != replace(file, waited=0.0) or not (
                0.0 <= file.waited - noted.waited < self._step) or noted.waited < PATIENCE <= file.waited:
            self._notices.set_address_file(file)
            self._noted = file
            if file.waited:
                self._step = _STEP
