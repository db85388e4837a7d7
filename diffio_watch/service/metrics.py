"""What Prometheus scrapes: read from the journal when it asks, and counted by who knows what the journal does not.

The library is loaded at the first scrape: a daemon that nobody scrapes does without. Labels have few values, whatever
goes through: names of inboxes and models come from the configuration, all else from tables of this program.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from diffio_watch import __version__
from diffio_watch.clock import midnight
from diffio_watch.job import State
from diffio_watch.reasons import REASONS, Kind
from diffio_watch.report import attention

if TYPE_CHECKING:
    from prometheus_client import Metric

    from diffio_watch.config import Config
    from diffio_watch.journal import Journal
    from diffio_watch.journal.totals import Stages

_STAGES: Final = ("settling", "uploading", "generating", "waiting", "downloading")
_BUCKETS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)  # seconds
_HALTS: Final = tuple(code for code, reason in REASONS.items() if reason.kind in {Kind.HALT, Kind.INBOX})
_BACK: Final = 120.0  # seconds that a commit may come after the time that is written in it
_PAIRS: Final = 50  # of inbox and model that are told apart

_One = TypeVar("_One")


class Traffic(Protocol):
    """What the daemon counts as it happens."""

    def requests(self) -> Mapping[tuple[str, str], int]:
        """Requests to the service, by kind and status."""

    def transferred(self) -> Mapping[str, int]:
        """Bytes, by direction."""


class Metrics:
    """Makes what is scraped. Safe to use from many threads, one at a time.

    Args:
        config: tells the one in force.
        journal: a reader of their own.
        traffic: what the daemon counts; None: nothing is known of it.
        webhooks: how many deliveries came to which result.
    """

    def __init__(self, config: Callable[[], Config], journal: Journal, traffic: Traffic | None,
                 webhooks: Callable[[], Mapping[str, int]]) -> None:
        self._config = config
        self._journal = journal
        self._traffic = traffic
        self._webhooks = webhooks
        self._lock = threading.Lock()
        self._render: Callable[[], bytes] | None = None
        now = journal.clock.now()
        self._delivered = _Since(now)
        self._bought = _Since(now)
        self._stages = {stage: _Histogram() for stage in _STAGES}
        self._minutes: dict[tuple[str, str], float] = {}

    def scrape(self) -> bytes:
        """All of it, in Prometheus' text format.

        Raises:
            JournalError: it can't be read.
        """
        with self._lock:
            if self._render is None:
                self._render = self._load()
            return self._render()

    def _load(self) -> Callable[[], bytes]:
        import prometheus_client as prometheus  # noqa: PLC0415 - see above

        registry = prometheus.CollectorRegistry(auto_describe=False)
        registry.register(self)
        prometheus.ProcessCollector(registry=registry)
        return lambda: prometheus.generate_latest(registry)

    def describe(self) -> list[Metric]:
        """Nothing: to know the names nobody has to read the journal."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for."""
        from prometheus_client.core import (  # noqa: PLC0415 - see above
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        def gauge(name: str, about: str, labels: tuple[str, ...], rows: Iterable[_Row]) -> Metric:
            return _filled(GaugeMetricFamily(f"diffio_watch_{name}", about, labels=labels), rows)

        def counter(name: str, about: str, labels: tuple[str, ...], rows: Iterable[_Row]) -> Metric:
            return _filled(CounterMetricFamily(f"diffio_watch_{name}", about, labels=labels), rows)

        config, journal = self._config(), self._journal
        now = journal.clock.now()
        inboxes = [inbox.name for inbox in config.inboxes]
        reports, settling = journal.inboxes.reports(), journal.inboxes.settling_counts()
        self._catch_up(set(inboxes), now)

        yield gauge("build_info", "The version of the program that runs, as a label.", ("version",),
                    [((__version__,), 1)])
        yield gauge("jobs", "Jobs by inbox and state.", ("inbox", "state"), _jobs(inboxes, journal))
        oldest = journal.totals.oldest_open_by_inbox()
        yield gauge("oldest_open_seconds", "How long ago the oldest open job was found; 0 without any.",
                    ("inbox",), [((name,), max(0.0, now - oldest[name]) if name in oldest else 0) for name in inboxes])
        yield gauge("halted", "What is stopped for this reason: the account, an origin, inboxes.", ("reason",),
                    self._halted(inboxes))
        yield gauge("inbox_available", "Whether the folder of an inbox is there.", ("inbox",),
                    [((name,), int(name in reports and reports[name].available)) for name in inboxes])
        yield gauge("last_scan_timestamp_seconds", "When an inbox was last looked through; 0 if never.", ("inbox",),
                    [((name,), (reports[name].last_scan_at or 0) if name in reports else 0) for name in inboxes])
        yield gauge("settling_files", "Files of an inbox that are not finished yet.", ("inbox",),
                    [((name,), settling.get(name, 0)) for name in inboxes])
        yield gauge("daily_limit_ratio", "What was bought today, as a share of the day's limit; 0 without a limit.", (),
                    [((), self._share(config, now))])
        yield counter("bought_minutes", "Minutes of media of generations bought, at least one each, since the start.",
                      ("inbox", "model"), self._minutes.items())
        yield counter("transferred_bytes", "Bytes sent to and fetched from the service, its upload and storage hosts.",
                      ("direction",), [((direction,), count) for direction, count in self._transferred().items()])
        yield counter("api_requests", "Requests to the service by call and status.", ("kind", "status"),
                      self._traffic.requests().items() if self._traffic is not None else [])
        yield counter("webhooks", "Webhooks received, by what became of them.", ("result",),
                      [((result,), count) for result, count in self._webhooks().items()])
        stages = HistogramMetricFamily("diffio_watch_stage_seconds",
                                       "How long delivered jobs were in a stage, since the start.", labels=("stage",))
        for stage, histogram in self._stages.items():
            stages.add_metric((stage,), histogram.buckets(), histogram.total)
        yield stages

    def _catch_up(self, inboxes: set[str], now: float) -> None:
        """Add what was delivered and bought since the last scrape."""
        totals = self._journal.totals
        for job in self._delivered.news(
                [((one.id, one.delivered_at), one.delivered_at, one) for one in totals.stages(self._delivered.since)],
                now):
            for stage, seconds in _lengths(job):
                self._stages[stage].observe(seconds)
        for one in self._bought.news(
                [((one.id, one.at), one.at, one) for one in totals.purchases(self._bought.since)], now):
            pair = one.inbox, one.model
            if pair not in self._minutes and (one.inbox not in inboxes or len(self._minutes) >= _PAIRS):
                pair = "", ""
            self._minutes[pair] = self._minutes.get(pair, 0.0) + one.minutes

    def _halted(self, inboxes: list[str]) -> list[_Row]:
        halts, journal = self._journal.halts.all(), self._journal
        pauses, reports = journal.halts.pauses(), journal.inboxes.reports()
        found = Counter(halt.because.code for scope, halt in halts.items() if not scope.startswith("inbox:"))
        for name in inboxes:
            stop = attention.stop(name, halts, pauses, reports)
            if stop is not None:
                found[stop.because.code] += 1
        return [((code,), found[code]) for code in _HALTS]

    def _share(self, config: Config, now: float) -> float:
        limits = config.limits
        if limits.daily_files is None and limits.daily_minutes is None:
            return 0.0
        files, minutes = self._journal.totals.spent_between(midnight(now), midnight(now, 1))
        shares = [spent / limit for spent, limit in ((files, limits.daily_files), (minutes, limits.daily_minutes))
                  if limit]
        return max(shares, default=1.0)  # a limit of 0 is reached

    def _transferred(self) -> Mapping[str, int]:
        return self._traffic.transferred() if self._traffic is not None else {"up": 0, "down": 0}


_Row = tuple[tuple[str, ...], float]


def _filled(family: Metric, rows: Iterable[_Row]) -> Metric:
    for labels, value in rows:
        family.add_metric(labels, value)  # type: ignore[attr-defined]  # each kind of family has it
    return family


def _jobs(inboxes: list[str], journal: Journal) -> Iterator[_Row]:
    """Of each inbox each state, for no alert sees a series that is not there; the rest is of inboxes that are gone."""
    found = journal.totals.by_inbox()
    for name in inboxes:
        for state in State:
            yield (name, state.value), found.get((name, state), 0)
    gone: Counter[str] = Counter()
    for (name, state), count in found.items():
        if name not in inboxes:
            gone[state.value] += count
    yield from ((("", state), count) for state, count in gone.items())


def _lengths(job: Stages) -> Iterator[tuple[str, float]]:
    """How long a job was in each stage; of one that it skipped, nothing."""
    moments = (job.detected_at, job.settled_at, job.uploaded_at, job.generated_at, job.completed_at, job.delivered_at)
    for stage, (begun, ended) in zip(_STAGES, pairwise(moments), strict=True):
        if begun is not None and ended is not None and ended >= begun:
            yield stage, ended - begun


class _Histogram:
    """Durations by bucket, as Prometheus counts them."""

    def __init__(self) -> None:
        self.total = 0.0
        self._counts = [0] * (len(_BUCKETS) + 1)

    def observe(self, seconds: float) -> None:
        self.total += seconds
        self._counts[next((at for at, most in enumerate(_BUCKETS) if seconds <= most), len(_BUCKETS))] += 1

    def buckets(self) -> list[tuple[str, float]]:
        found, so_far = [], 0
        for most, count in zip([*(f"{most:g}" for most in _BUCKETS), "+Inf"], self._counts, strict=True):
            so_far += count
            found.append((most, float(so_far)))
        return found


class _Since:
    """Which rows are new since the last look, although a row may be committed a little after the time in it."""

    def __init__(self, now: float) -> None:
        self.since = now  # from when on to look
        self._start = now
        self._had: dict[object, float] = {}

    def news(self, rows: Iterable[tuple[object, float, _One]], now: float) -> list[_One]:
        """Those that were not there at the last look, of rows since `since`, with a key and a time each."""
        found = []
        for key, at, row in rows:
            if key not in self._had:
                self._had[key] = at
                found.append(row)
        self.since = max(self._start, now - _BACK)
        self._had = {key: at for key, at in self._had.items() if at >= self.since}
        return found
