"""Schedules, health, guards: pure, with the time passed in."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffio_watch.clock import midnight
from diffio_watch.config import Limits
from diffio_watch.job import Job, Media, Settings
from diffio_watch.media.length import minutes
from diffio_watch.pipeline.guard import over_limit
from diffio_watch.pipeline.health import Health, account_pause, origin_pause

JOB = Job("01J", "podcasts", "a.wav", 10, 1, Settings())


class TestHealth:
    @staticmethod
    def down(fails: list[tuple[str, float]], *, open_jobs: int = 100) -> bool:
        health = Health()
        return [health.seen("https://x", job, at, ok=False, open_jobs=lambda: open_jobs) for job, at in fails][-1]

    def test_five_failures_of_three_jobs_over_two_seconds_are_an_outage(self) -> None:
        assert self.down([("a", 0), ("b", 0.5), ("c", 1), ("a", 1.5), ("b", 2)])

    def test_four_are_none(self) -> None:
        assert not self.down([("a", 0), ("b", 1), ("c", 2), ("a", 30)])

    def test_those_of_two_jobs_among_many_are_none(self) -> None:
        assert not self.down([("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 500)])

    def test_those_of_all_jobs_there_are_is_one(self) -> None:
        assert self.down([("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4)], open_jobs=2)
        assert self.down([("a", 0), ("a", 1), ("a", 2), ("a", 3), ("a", 4)], open_jobs=1)

    def test_a_burst_within_less_than_two_seconds_is_none(self) -> None:
        assert not self.down([(str(n), n * 0.01) for n in range(100)])

    def test_one_success_starts_the_count_anew(self) -> None:
        health = Health()

        def fail(job: str, at: float) -> bool:
            return health.seen("https://x", job, at, ok=False, open_jobs=lambda: 9)

        for n in range(4):
            assert not fail(str(n), n)
        health.seen("https://x", "z", 4, ok=True, open_jobs=lambda: 9)
        for n in range(5, 9):
            assert not fail(str(n), n)
        assert fail("9", 9)

    def test_origins_are_counted_apart(self) -> None:
        health = Health()
        for n in range(40):
            assert not health.seen(f"https://{n % 10}", str(n), n, ok=False, open_jobs=lambda: 99)

    @given(st.lists(st.booleans(), min_size=5, max_size=300))
    def test_only_five_in_a_row_are_an_outage(self, answers: list[bool]) -> None:
        health = Health()
        run = 0
        for n, ok in enumerate(answers):
            run = 0 if ok else run + 1
            down = health.seen("https://x", str(n), float(n), ok=ok, open_jobs=lambda: 9)
            assert down is (run >= 5)

    def test_probes_of_an_origin_and_of_an_account_grow(self) -> None:
        assert [origin_pause(n) for n in range(7)] == [5, 15, 60, 120, 300, 300, 300]
        assert [account_pause(n) / 60 for n in range(9)] == [1, 2, 5, 10, 20, 40, 60, 60, 60]


class TestGuard:
    def test_the_days_files_are_counted(self) -> None:
        assert over_limit(JOB, Limits(daily_files=3), (2, 0)) is None
        assert "daily_files" in (over_limit(JOB, Limits(daily_files=3), (3, 0)) or "")

    def test_the_days_minutes_are_counted_with_this_file(self) -> None:
        hour = replace(JOB, size=10**7, media=Media("Wave", 3600.0, has_video=False))
        assert over_limit(hour, Limits(daily_minutes=100), (1, 40)) is None
        assert "daily_minutes" in (over_limit(hour, Limits(daily_minutes=100), (1, 41)) or "")

    @pytest.mark.parametrize(("media", "counted"), [
        (Media("Wave", 3.0, has_video=False), 1), (Media("Wave", 90.0, has_video=False), 1.5)])
    def test_a_generation_counts_a_minute_at_least(self, media: Media | None, counted: float) -> None:
        assert minutes(replace(JOB, size=10**7, media=media)) == counted

    @pytest.mark.parametrize(("length", "video", "counted"), [
        (None, False, 100), (None, True, 16), (math.nan, False, 100), (math.inf, False, 100), (-5.0, False, 100),
        (1e12, False, 16000)])
    def test_an_unknown_length_is_never_a_minute_and_none_is_without_end(
            self, length: float | None, *, video: bool, counted: float) -> None:
        assert minutes(replace(JOB, size=12 * 10**6, media=Media("WebM", length, has_video=video))) == counted

    def test_what_mediainfo_was_never_asked_about_is_estimated_too(self) -> None:
        assert minutes(replace(JOB, size=12 * 10**6)) == 100

    def test_without_limits_there_are_none_and_a_persons_word_passes_them(self) -> None:
        assert over_limit(JOB, Limits(), (10**6, 1e6)) is None
        assert over_limit(replace(JOB, released=True), Limits(daily_files=1), (1, 0)) is not None
        assert over_limit(replace(JOB, approved=True), Limits(daily_files=1, daily_minutes=1), (10**6, 1e6)) is None

    @given(st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)))  # noqa: DTZ001 - the host's local day is meant
    def test_a_day_begins_at_the_hosts_midnight_also_when_clocks_change(self, moment: datetime) -> None:
        now = moment.timestamp()
        start, end = midnight(now), midnight(now, 1)
        assert start <= now < end
        assert timedelta(hours=22) < timedelta(seconds=end - start) < timedelta(hours=26)
        began = datetime.fromtimestamp(start)  # noqa: DTZ006 - likewise
        assert (began.hour, began.minute) == (0, 0)
