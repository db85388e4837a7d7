"""Trying out a job's names before money is spent on them: no filesystem tells its rules, so it is asked with the names.

Nobody is to see an empty file under a final name, so they are tried in a hidden folder beside their places, which
carries the job like every temporary name.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection

from diffio_watch.disk import durable
from diffio_watch.disk.names import fold
from diffio_watch.disk.trouble import Trouble, trouble
from diffio_watch.job import Job
from diffio_watch.outbox import names
from diffio_watch.outbox.errors import DiskTrouble
from diffio_watch.outbox.root import Root


def takes(root: Root, job: Job, folder: str, wanted: Collection[str]) -> bool:
    """Whether a folder, made where it is missing, can be written and takes all of these names.

    Args:
        root: of the outbox.
        job: for whom.
        folder: relative to the root.
        wanted: single names.

    Raises:
        OutboxGone: the root is not there.
        DiskTrouble: the folder can't be made or written.
    """
    stage = names.temp_name(job.id, "names")
    try:
        with root.made(folder, job.settings.dir_mode) as fd:
            remove(stage, fd)  # what a crash left
            os.mkdir(stage, 0o700, dir_fd=fd)
            try:
                inner = durable.open_folder([stage], dir_fd=fd)
                try:
                    return all(_takes(name, inner) for name in wanted)
                finally:
                    os.close(inner)
            finally:
                remove(stage, fd)
    except DiskTrouble as found:
        if found.kind is Trouble.BAD_NAME:  # of the folder
            return False
        raise


def _takes(name: str, fd: int) -> bool:
    try:
        os.close(durable.create(name, 0o600, dir_fd=fd))
    except OSError as error:
        # the folder is our own and was made just now: whatever is refused or missing in it, it is for the name
        if trouble(error.errno) in {Trouble.BAD_NAME, Trouble.NO_RIGHT} or error.errno == errno.ENOENT:
            return False
        raise
    here = {fold(one) for one in os.listdir(fd)}
    os.unlink(name, dir_fd=fd)
    return fold(name) in here  # else it was given another one


def remove(stage: str, fd: int) -> None:
    """Take away a hidden folder in an open one, with the files in it."""
    with contextlib.suppress(FileNotFoundError):
        inner = durable.open_folder([stage], dir_fd=fd)
        try:
            for name in os.listdir(inner):  # noqa: PTH208 - a descriptor
                os.unlink(name, dir_fd=inner)
        finally:
            os.close(inner)
        os.rmdir(stage, dir_fd=fd)
