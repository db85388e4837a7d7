from __future__ import annotations

from typing import Any

import pytest

from diffio_watch.config import units
from diffio_watch.config.errors import Wrong


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("250ms", 0.25), ("2s", 2), ("10m", 600), ("6h", 21600), ("7d", 604800), (5, 5), (1.5, 1.5), ("1.5h", 5400),
     ("30", 30)],
)
def test_a_duration_is_a_number_with_a_unit_or_plain_seconds(written: Any, seconds: float) -> None:
    assert units.duration(written) == seconds


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("10 min", "Write `10m`."),
        ("2 Hours", "Write `2h`."),
        ("2S", "Write `2s`."),
        ("1,5 h", "Write `1.5h`."),
        ("500 msec", "Write `500ms`."),
        ("1h30m", "one number and one unit"),
        ("1:30", "one number and one unit"),
        ("fast", "one number and one unit"),
        ("-1s", "one number and one unit"),
        (-1, "one number and one unit"),
        (True, "one number and one unit"),
        (None, "one number and one unit"),
        ([], "one number and one unit"),
        ("", "one number and one unit"),
        ("२s", "one number and one unit"),
        ("9999999d", "at most `3650d`"),
        (1e300, "at most `3650d`"),
    ],
)
def test_what_is_no_duration_is_answered_with_one(written: Any, remedy: str) -> None:
    with pytest.raises(Wrong) as caught:
        units.duration(written)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("written", "count"),
    [("32MiB", 33_554_432), ("2GiB", 2_147_483_648), ("1KiB", 1024), ("1TiB", 1 << 40), ("0.5KiB", 512), (0, 0), (7, 7),
     ("9", 9)],
)
def test_a_size_is_a_number_with_a_binary_unit_or_plain_bytes(written: Any, count: int) -> None:
    assert units.size(written) == count
    assert type(units.size(written)) is int


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("1GB", "Write `1GiB`."),
        ("1 gib", "Write `1GiB`."),
        ("512k", "Write `512KiB`."),
        ("10m", "`32MiB`"),  # m is minutes elsewhere: not guessed
        ("0.3KiB", "`32MiB`"),
        (1.5, "`32MiB`"),
        (-1, "`32MiB`"),
        (False, "`32MiB`"),
        (1e30, "`1GiB`"),
    ],
)
def test_what_is_no_size_is_answered_with_one(written: Any, remedy: str) -> None:
    with pytest.raises(Wrong) as caught:
        units.size(written)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("written", "bits"),
    [("0664", 0o664), (664, 0o664), ("664", 0o664), ("2775", 0o2775), (2775, 0o2775), ("0o644", 0o644),
     ("02775", 0o2775)],
)
def test_a_mode_is_octal_quoted_or_not(written: Any, bits: int) -> None:
    assert units.mode(written) == bits


@pytest.mark.parametrize("written", ["rw-r--r--", "0668", 668, 8, -664, 66.4, True, None, "77777", "", "0b11"])
def test_what_is_no_mode_is_answered_with_one(written: Any) -> None:
    with pytest.raises(Wrong, match="is not a mode") as caught:
        units.mode(written)
    assert '"0664"' in caught.value.remedy
