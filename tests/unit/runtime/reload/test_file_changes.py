"""When a change of the configuration's files counts: not before the file stands still."""

import os
from pathlib import Path

import pytest

from packyproxy.runtime.reload.file_changes import Look, Sighting, Signature, Signatures, judge, sign

CONFIG, CODEX = Path("/etc/config.yaml"), Path("/home/codex/auth.json")
NOW = 1_700_000_000.0


def written(seconds_ago: float, *, inode: int = 1, size: int = 10) -> Signature:
    """Return what a file looks like that was written so long ago."""
    return Signature(1, inode, size, round((NOW - seconds_ago) * 1e9), 0)


def sights(config: Signature | None, codex: Signature | None = None) -> Signatures:
    """Return a look at both files."""
    return {CONFIG: config, CODEX: codex}


OLD, YOUNG = written(3600), written(0.01)

FIRST_LOOKS = {
    "old": (sights(OLD), Look.CHANGED),
    "just written": (sights(YOUNG), Look.PENDING),
    "written in the future": (sights(written(-60)), Look.PENDING),
    "nothing there": (sights(None), Look.CHANGED),
}


@pytest.mark.parametrize(("seen", "expected"), FIRST_LOOKS.values(), ids=FIRST_LOOKS.keys())
def test_the_first_look(seen: Signatures, expected: Look) -> None:
    """What was read before the first look is not known, so the files are read again once they are still."""
    assert expected is judge(Sighting(), seen, clock=5.0, now=NOW)[1]


LATER_LOOKS = {
    "untouched": (sights(OLD), Look.SAME),
    "written in place a moment ago": (sights(written(0.01, size=11)), Look.PENDING),
    "written in place long ago": (sights(written(60, size=11)), Look.CHANGED),
    "touched": (sights(written(60)), Look.CHANGED),
    "replaced by a file of the same time and size": (sights(written(3600, inode=2)), Look.CHANGED),
    "gone": (sights(None), Look.PENDING),
    "the other one came": (sights(OLD, written(60)), Look.CHANGED),
    "the other one was just written": (sights(OLD, YOUNG), Look.PENDING),
    "emptied a tenth of a second ago": (sights(written(0.1, size=0)), Look.PENDING),
    "emptied long ago": (sights(written(60, size=0)), Look.CHANGED),
}


@pytest.mark.parametrize(("seen", "expected"), LATER_LOOKS.values(), ids=LATER_LOOKS.keys())
def test_a_later_look(seen: Signatures, expected: Look) -> None:
    """A file that differs from what was read counts at once when it was written more than 50 ms ago."""
    assert expected is judge(Sighting(read=sights(OLD)), seen, clock=5.0, now=NOW)[1]


STEPS = {
    "young, then still": ([(0.00, YOUNG), (0.05, YOUNG)], Look.CHANGED),
    "young, looked at too soon": ([(0.00, YOUNG), (0.04, YOUNG)], Look.PENDING),
    "still being written": ([(0.00, YOUNG), (0.05, written(0.01, size=11))], Look.PENDING),
    "written and at rest": (
        [(0.00, YOUNG), (0.05, written(0.01, size=11)), (0.10, written(0.01, size=11))],
        Look.CHANGED,
    ),
    "gone for good": ([(0.00, None), (0.05, None)], Look.CHANGED),
    "deleted and written anew": ([(0.00, None), (0.05, YOUNG)], Look.PENDING),
    "emptied, and filled later": (
        [(0.00, written(0.01, size=0)), (0.45, written(0.01, size=0)), (0.50, written(0.01, size=11))],
        Look.PENDING,
    ),
    "emptied for good": ([(0.00, written(0.01, size=0)), (0.50, written(0.01, size=0))], Look.CHANGED),
    "changed and changed back": ([(0.00, YOUNG), (0.05, OLD)], Look.SAME),
}


@pytest.mark.parametrize(("steps", "expected"), STEPS.values(), ids=STEPS.keys())
def test_stillness(steps: list[tuple[float, Signature | None]], expected: Look) -> None:
    """Two equal looks 50 ms apart make a young file count, by the clock of the looks."""
    sighting, look = Sighting(read=sights(OLD)), Look.SAME
    for clock, config in steps:
        sighting, look = judge(sighting, sights(config), clock=clock, now=NOW)
    assert expected is look


def test_links_are_followed(tmp_path: Path) -> None:
    """A link that points elsewhere is a changed file, and one that points nowhere is an absent one."""
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "config.yaml"
    found = []
    for target in ("first", "second", "third"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / target)
        found.append(sign([link])[link])
    of_first, of_second, of_third = found
    assert of_first != of_second
    assert of_third is None


def test_a_file_is_known_by_its_time_and_size(tmp_path: Path) -> None:
    """Writing in place changes the signature, reading does not."""
    file = tmp_path / "config.yaml"
    file.write_text("a")
    before = sign([file])
    file.read_text()
    assert before == sign([file])
    file.write_text("ab")
    larger = sign([file])
    os.utime(file, ns=(0, 1))
    assert len({before[file], larger[file], sign([file])[file]}) == 3


def test_permissions_are_part_of_what_a_file_looks_like(tmp_path: Path) -> None:
    """A file that could not be read is the same to its content, and worth another try."""
    file = tmp_path / "config.yaml"
    file.touch(0o000)
    before = sign([file])
    file.chmod(0o600)
    assert before != sign([file])
