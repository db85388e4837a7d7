"""A real Samba server with one share, as an editor's machine meets it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from ports import free_port

_CONFIG = """[global]
workgroup = TEST
server role = standalone server
smb ports = {port}
interfaces = 127.0.0.1
bind interfaces only = yes
disable netbios = yes
map to guest = Bad User
log level = 0
lock directory = {state}
state directory = {state}
cache directory = {state}
pid directory = {state}
private dir = {state}
ncalrpc dir = {state}/rpc
[in]
path = {folder}
read only = no
guest ok = yes
force user = root
strict allocate = {allocate}
"""


@contextmanager
def shared(folder: Path, state: Path, allocate: Literal["yes", "no"] = "yes") -> Iterator[list[str]]:
    """The command of a client of a share that is a folder. The test is skipped where there can be no server.

    Args:
        folder: what is shared.
        state: a folder that the server makes, for its own files.
        allocate: whether the server makes a file as long as it is to get before it writes into it.
    """
    if shutil.which("smbd") is None or shutil.which("smbclient") is None:
        pytest.skip("samba and smbclient are not installed")
    if os.geteuid() != 0:
        pytest.skip("smbd has to be root")
    port = free_port()
    state.mkdir()
    config = state / "smb.conf"
    config.write_text(_CONFIG.format(port=port, state=state, folder=folder, allocate=allocate))
    # in a session of its own: at its end it ends its whole process group
    server = subprocess.Popen(["smbd", "-F", "--no-process-group", "-s", config, "-l", state], start_new_session=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = ["smbclient", "//127.0.0.1/in", "-N", "-p", str(port), "-s", str(config)]
    try:
        end = time.monotonic() + 15
        while subprocess.run([*command, "-c", "ls"], capture_output=True, check=False).returncode != 0:
            if server.poll() is not None or time.monotonic() > end:
                pytest.skip("no smbd can be started here")
            time.sleep(0.1)  # it listens when it listens
        yield command
    finally:
        server.terminate()
        server.wait(10)
