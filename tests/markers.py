"""Markers as other journals, or another state of this one, left them."""

from __future__ import annotations

from pathlib import Path

from diffio_watch.disk import marker_file


def put_marker(root: Path, marker: marker_file.Marker) -> None:
    """Have a folder hold this marker, whatever it held."""
    with marker_file.opened(str(root)) as folder:
        marker_file.replace(folder, marker)
