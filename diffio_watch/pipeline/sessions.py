"""The one secret that outlives a restart: the upload token, in a 0600 file a job in `state_dir/sessions/`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from diffio_watch.api.shapes import Session


class Sessions:
    """Upload sessions by job. One process has them at a time: the journal's lock sees to it.

    One is in memory until there is something to go on from, and then in a file too: of the many uploads that are a
    single part, nothing is left to go on from after a restart.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "sessions"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for torn in self._folder.glob(".*.new"):  # a crash came between writing and renaming
            torn.unlink()
        self._kept: dict[str, Session] = {}
        self._begun: dict[str, str] = {}  # job id → what its upload is called
        self._saved = {path.stem for path in self._folder.glob("*.json")}

    def keep(self, job_id: str, session: Session) -> None:
        """Keep a session, as long as this process lives, in place of any that the job had."""
        self.remove(job_id)
        self._kept[job_id] = session

    def begun(self, job_id: str, upload_id: str) -> None:
        """The upload of a kept session has begun."""
        self._begun[job_id] = upload_id

    def ending(self, job_id: str) -> None:
        """The upload is about to be completed: from here on there may be nothing left to abort."""
        self._begun.pop(job_id, None)

    def under_way(self, job_id: str) -> tuple[Session, str] | None:
        """An upload that this process began and that has not ended, and its session."""
        session, upload_id = self._kept.get(job_id), self._begun.get(job_id)
        return (session, upload_id) if session is not None and upload_id is not None else None

    def save(self, job_id: str) -> None:
        """Have a session outlive this process, if it does not already; durable before it returns.

        Raises:
            OSError: the disk refuses.
        """
        session = self._kept.get(job_id)
        if session is None or job_id in self._saved:
            return
        path = self._folder / f"{job_id}.json"
        fresh = self._folder / f".{job_id}.new"
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(session.to_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._sync()
        self._saved.add(job_id)

    def load(self, job_id: str) -> Session | None:
        """A job's session; None where there is none, or what there is can't be read as one."""
        session = self._kept.get(job_id)
        if session is None and job_id in self._saved:
            with contextlib.suppress(FileNotFoundError, ValueError):
                session = Session.from_json((self._folder / f"{job_id}.json").read_text("utf-8"))
        return session

    def remove(self, job_id: str) -> None:
        """Forget a job's session, if there is one."""
        self._kept.pop(job_id, None)
        self._begun.pop(job_id, None)
        if job_id in self._saved:
            (self._folder / f"{job_id}.json").unlink(missing_ok=True)
            self._saved.discard(job_id)

    def jobs(self) -> list[str]:
        """Ids of the jobs with a session."""
        return sorted({*self._kept, *self._saved})

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
