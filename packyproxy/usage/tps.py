"""Tokens per second: what each attempt came to, and averages over those of the last day.

Completion TPS is output tokens over the time from the first to the last output of a stream; without a stream,
or when one read gave it all, over the attempt. Total TPS is input and output tokens over the attempt.

Rates have two decimals, rounded half up. They are whole hundredths in here, and times count to the
microsecond, so that 1 token in 1.6 s is 0.625 exactly and rounds to 0.63: no binary fraction decides.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Final, Literal, cast

from msgspec import UNSET, Struct, UnsetType

from packyproxy.usage.names import Targets
from packyproxy.usage.records import AttemptRecord
from packyproxy.usage.timestamps import timestamp

__all__ = [
    "KEPT_SAMPLES",
    "KEPT_SECONDS",
    "Grouping",
    "Tps",
    "TpsGroup",
    "TpsReport",
    "TpsSamples",
    "TpsSummary",
    "has_line",
    "measure",
    "parse_group",
    "parse_window",
]

Grouping = Literal["provider", "model"]

KEPT_SAMPLES: Final = 65_536
"""45 a minute for a whole day; with more, the oldest go earlier."""
KEPT_SECONDS: Final = 86_400
_KEPT_ANYWAY: Final = 10
"""So many are kept whatever their age: who asks on Monday sees Friday's."""
_MOST_TARGETS: Final = 256
_MICROSECONDS: Final = 1_000_000
_WINDOW: Final = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_UNITS: Final = (86_400, 3_600, 60, 1)
_LONGEST_WINDOW: Final = 30 * 86_400
_GROUPINGS: Final = ("provider", "model")
_SAMPLE: Final = struct.Struct("<dqqH")
_TIME: Final = struct.Struct("<d")

_Sample = tuple[float, int, int, int]
"""Time, completion and total in hundredths, index of provider and model."""


class Tps(Struct, frozen=True, gc=False):
    """The speed of one attempt, in hundredths of tokens per second."""

    completion_hundredths: int
    total_hundredths: int

    @property
    def completion(self) -> float:
        """Output tokens per second of output; two decimals."""
        return self.completion_hundredths / 100

    @property
    def total(self) -> float:
        """Input and output tokens per second of the attempt; two decimals."""
        return self.total_hundredths / 100


class TpsSummary(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What some samples have in common, in tokens per second; nothing has no average."""

    count: int
    avg: float | None
    median: float | None
    p95: float | None
    """The smallest that at least 95 % do not exceed (nearest rank)."""


class TpsGroup(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The samples of one provider, of one model, or of one model at one provider."""

    provider: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    completion: TpsSummary
    total: TpsSummary


class TpsReport(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Speeds over a time, as the management API shows them."""

    since: str | None
    """When the window begins; without a window, when the oldest sample was taken, None if there is none."""
    completion: TpsSummary
    total: TpsSummary
    groups: tuple[TpsGroup, ...] | UnsetType = UNSET
    """With grouping: in the order of their names."""


def has_line(record: AttemptRecord) -> bool:
    """Tell whether an attempt is logged as ``per-request-tps``: it gave output, or was an empty success."""
    return record.has_output or record.is_success


def measure(record: AttemptRecord) -> Tps | None:
    """Return the speed of an attempt; None if it failed without output, or if nobody counted its tokens."""
    tokens = record.tokens
    if tokens is None or not has_line(record):
        return None
    duration = int(record.duration_seconds * _MICROSECONDS + 0.5)
    if not duration:
        return None
    window = int(record.stream_seconds * _MICROSECONDS + 0.5) if record.is_streaming else 0
    return Tps(
        _per_second(tokens.output, window or duration), _per_second(tokens.input + tokens.output, duration)
    )


def parse_window(text: str) -> int:
    """Return the seconds of a window such as ``30s``, ``5m``, ``1h`` or ``1h30m``.

    Days, hours, minutes and seconds may stand together in that order, each once.

    Raises:
        ValueError: it is written otherwise, or is not between 1 s and 30 days; its text may be shown.
    """
    found = _WINDOW.fullmatch(text)
    if found is not None:
        seconds = sum(int(number) * unit for number, unit in zip(found.groups("0"), _UNITS, strict=True))
        if 0 < seconds <= _LONGEST_WINDOW:
            return seconds
    raise ValueError("a window is 1s to 30d, written like 30s, 5m, 1h or 1h30m")


def parse_group(text: str) -> tuple[Grouping, ...]:
    """Return what ``provider``, ``model`` or ``provider,model`` asks to be told apart.

    Raises:
        ValueError: it asks for something else; its text may be shown.
    """
    names = [name.strip() for name in text.split(",")]
    if any(name not in _GROUPINGS for name in names):
        raise ValueError("groups are provider, model, or provider,model")
    return cast("tuple[Grouping, ...]", tuple(name for name in _GROUPINGS if name in names))


class TpsSamples:
    """The speeds of the last 24 hours, at least of the last 10 attempts; each takes 26 bytes.

    Times are Unix seconds.

    Args:
        limit: how many samples are kept at most.
    """

    def __init__(self, limit: int = KEPT_SAMPLES) -> None:
        self._size = limit * _SAMPLE.size
        self._samples = bytearray()
        """A ring, once it is full: time, completion, total, index of the target."""
        self._oldest = 0
        """Where the oldest sample begins."""
        self._count = 0
        self._names = Targets(_MOST_TARGETS)
        self._indexes: dict[tuple[str, str], int] = {}
        self._targets: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return self._count

    def add(self, tps: Tps, record: AttemptRecord, measured_at: float) -> None:
        """Keep what an attempt came to."""
        index = self._indexes.get((record.provider, record.model))
        if index is None:
            index = self._meet(record.provider, record.model)
        if self._count * _SAMPLE.size == self._size:
            self._drop_oldest()
        place = (self._oldest + self._count * _SAMPLE.size) % self._size
        if place == len(self._samples):
            self._samples += _SAMPLE.pack(measured_at, tps.completion_hundredths, tps.total_hundredths, index)
        else:
            _SAMPLE.pack_into(
                self._samples, place, measured_at, tps.completion_hundredths, tps.total_hundredths, index
            )
        self._count += 1
        self._forget(measured_at)

    def copy(self) -> "TpsSamples":
        """Return the same samples, to be reported on while others are added to these; takes 1 ms at most."""
        return deepcopy(self)

    def report(
        self,
        now: float,
        *,
        window_seconds: float | None = None,
        provider: str | None = None,
        model: str | None = None,
        group: Sequence[Grouping] = (),
    ) -> TpsReport:
        """Summarise the samples; as many as there may be take 50 ms and more, so better those of a copy.

        Args:
            now: when this is asked.
            window_seconds: how far back; None for all samples that are kept.
            provider: only of this one; of one that is not known there are no samples.
            model: likewise, the upstream's model id.
            group: what to tell apart besides.
        """
        self._forget(now)
        since = None if window_seconds is None else now - window_seconds
        wanted = {
            index
            for index, target in enumerate(self._targets)
            if provider in (None, target[0]) and model in (None, target[1])
        }
        samples = [
            sample for sample in self._kept() if sample[3] in wanted and (since is None or sample[0] >= since)
        ]
        if since is None and samples:
            since = samples[0][0]
        return TpsReport(
            since=None if since is None else timestamp(since),
            completion=_summary([sample[1] for sample in samples]),
            total=_summary([sample[2] for sample in samples]),
            groups=self._groups(samples, group) if group else UNSET,
        )

    def _groups(self, samples: Iterable[_Sample], group: Sequence[Grouping]) -> tuple[TpsGroup, ...]:
        parts = [_GROUPINGS.index(name) for name in group]
        names = [tuple(target[part] for part in parts) for target in self._targets]
        members: dict[tuple[str, ...], list[_Sample]] = {}
        for sample in samples:
            members.setdefault(names[sample[3]], []).append(sample)
        return tuple(
            TpsGroup(
                **dict(zip(group, name, strict=True)),
                completion=_summary([sample[1] for sample in members[name]]),
                total=_summary([sample[2] for sample in members[name]]),
            )
            for name in sorted(members)
        )

    def _kept(self) -> Iterator[_Sample]:
        """Yield the samples, oldest first."""
        end = self._oldest + self._count * _SAMPLE.size
        samples = memoryview(self._samples)
        yield from _SAMPLE.iter_unpack(samples[self._oldest : end])
        yield from _SAMPLE.iter_unpack(samples[: max(0, end - self._size)])

    def _meet(self, provider: str, model: str) -> int:
        target = self._names.of(provider, model)
        if target not in self._indexes:
            self._indexes[target] = len(self._targets)
            self._targets.append(target)
        return self._indexes[target]

    def _forget(self, now: float) -> None:
        """Drop what is older than a day, but for the last samples."""
        while self._count > _KEPT_ANYWAY:
            (measured_at,) = _TIME.unpack_from(self._samples, self._oldest)
            if measured_at > now - KEPT_SECONDS:
                return
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._oldest = (self._oldest + _SAMPLE.size) % self._size
        self._count -= 1


def _per_second(tokens: int, microseconds: int) -> int:
    """Return hundredths of tokens per second."""
    return _half_up(tokens * 100 * _MICROSECONDS, microseconds)


def _half_up(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)


def _summary(hundredths: list[int]) -> TpsSummary:
    count = len(hundredths)
    if not count:
        return TpsSummary(count=0, avg=None, median=None, p95=None)
    hundredths.sort()
    return TpsSummary(
        count=count,
        avg=_half_up(sum(hundredths), count) / 100,
        median=_half_up(hundredths[(count - 1) // 2] + hundredths[count // 2], 2) / 100,
        p95=hundredths[(count * 95 + 99) // 100 - 1] / 100,
    )
