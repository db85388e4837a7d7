"""Taking back the word of an earlier delivery, before the outputs that it names are taken back."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from diffio_watch.job import Job, State
from diffio_watch.outbox import names
from diffio_watch.outbox.files import parsed, peek, unlink
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.walk import join

_NUMBERS: Final = re.compile("[0-9]{1,9}")


def withdraw_sidecar(root: Root, job: Job, sync_folder: Callable[[int], None]) -> None:
    """Remove the sidecars of a job, durably: none of them may name what will not be there.

    They stand beside its outputs or where its original is now, under the name that the original had when they were
    written. A copy by another name is somebody's own.

    Args:
        root: of the outbox.
        job: whose sidecars.
        sync_folder: brings the names in an open folder to the disk.

    Raises:
        OutboxGone, DiskTrouble: the outbox can't be looked at.
    """
    homes = {output.path.rpartition("/")[0] for output in job.outputs if output.path is not None}
    for folder in homes | {names.split(job.path, job.form)[0]}:
        with root.existing(folder) as fd:
            if fd is None:
                continue
            told = [name for name in os.listdir(fd) if _is_of(job, folder, name, fd)]  # noqa: PTH208 - a descriptor
            for name in told:
                unlink(name, fd)
            if told:
                sync_folder(fd)


def _is_of(job: Job, folder: str, name: str, fd: int) -> bool:
    data = peek(name, fd) if name.endswith(".json") else None
    if data is None or job.id.encode() not in data:  # parsing is what takes time
        return False
    found = parsed(data)
    return (found is not None and (found.job, found.run) == (job.id, job.run)
            and found.state in {State.DELIVERED, State.SKIPPED}
            and any(names.sidecar_path(found.source.name, int(number), form) == join(folder, name)
                    for number in {"1", *_NUMBERS.findall(name)} for form in names.FORMS))
