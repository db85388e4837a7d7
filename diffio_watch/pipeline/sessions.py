"""The one secret that outlives a restart: the upload token, in a 0600 file a job in `state_dir/sessions/`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from diffio_watch.api.shapes import Session


class Sessions:
    """Upload sessions on disk, by job. One process has them at a time: the journal's lock sees to it."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "sessions"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for torn in self._folder.glob(".*.new"):  # a crash came between writing and renaming
            torn.unlink()

    def save(self, job_id: str, session: Session) -> None:
        """Keep a session, durable before it returns.

        Raises:
            OSError: the disk refuses.
        """
        path = self._folder / f"{job_id}.json"
        fresh = self._folder / f".{job_id}.new"
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(session.to_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._sync()

    def load(self, job_id: str) -> Session | None:
        """A job's session; None where there is none, or what there is can't be read as one."""
        try:
            return Session.from_json((self._folder / f"{job_id}.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def remove(self, job_id: str) -> None:
        """Forget a job's session, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / f"{job_id}.json").unlink()

    def jobs(self) -> list[str]:
        """Ids of the jobs with a session."""
        return [path.stem for path in self._folder.glob("*.json")]

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
