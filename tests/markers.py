"""Markers as other journals, or another state of this one, left them."""

from __future__ import annotations

from pathlib import Path

from diffio_watch.disk import marker, marker_file
from diffio_watch.journal import Journal


def put_marker(root: Path, found: marker.Marker) -> None:
    """Have a folder hold this marker, whatever it held."""
    with marker.hold(str(root)) as folder:
        marker_file.replace(folder.fd, found)


def adopt(root: Path, role: marker.Role, name: str, owner: marker.Owner, journal: Journal, *,
          system: Path = Path("/")) -> None:
    """Take a folder over for a journal, whosever it was a moment ago."""
    with marker.hold(str(root)) as folder:
        seen = None
        with marker_file.written_anew():
            seen = marker.read(folder.fd)
        journal.folders.set(marker.adopt(folder, seen, role, name, owner, journal.folders, system=system))
