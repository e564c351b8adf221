"""The watchers of a process: each sees what it is there for, hides nothing, and takes itself off again."""

import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from packyproxy.testing.privacy.canaries import canary_text
from packyproxy.testing.privacy.process import exception_texts, look_into_files, watching_process
from packyproxy.testing.privacy.watch import Watch, is_of

WORD = canary_text("user text", 2)
SECRET = canary_text("provider key", 2)
LOG = logging.getLogger("packyproxy")


def places(watch: Watch) -> set[tuple[str, str]]:
    """Return where something was seen, and of what kind it was."""
    return {(seen.place, seen.kind) for seen in watch.sightings}


def raise_with(word: str) -> None:
    held = word  # a variable of this frame
    raise ValueError(len(held))


def log_exception() -> None:
    try:
        raise_with(WORD)
    except ValueError:
        LOG.exception("failed")


class Shown:
    """Something whose ``repr`` says too much."""

    def __repr__(self) -> str:
        return WORD


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(lambda: LOG.debug(WORD), id="message"),
        pytest.param(lambda: LOG.debug("%s", WORD), id="argument"),
        pytest.param(lambda: LOG.debug("%s", Shown()), id="object"),
        pytest.param(lambda: LOG.debug("%.0s", WORD), id="argument that is not shown"),
        pytest.param(lambda: LOG.debug("ok", extra={"fact": {"a": [WORD]}}), id="extra attribute"),
        pytest.param(log_exception, id="variable of a frame"),
        pytest.param(lambda: logging.getLogger("some.package").debug(WORD), id="library"),
    ],
)
def test_log_records_are_seen_as_a_whole(leak: Callable[[], None]) -> None:
    """Whatever of a record some formatter or error reporter could show."""
    watch = Watch()
    with watching_process(watch):
        leak()
    assert {("log records", "user text")} == places(watch)


def test_warnings_are_seen() -> None:
    """Also where a filter would have dropped them; and they are still shown."""
    watch = Watch()
    with warnings.catch_warnings(record=True) as shown, watching_process(watch):
        warnings.warn(WORD, stacklevel=1)
    assert {("warnings", "user text")} == places(watch)
    assert 1 == len(shown)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_output_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And written all the same."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, name, stream)
    watch = Watch()
    with watching_process(watch):
        print(f"<{WORD}>", file=getattr(sys, name))
    assert {("standard output", "user text")} == places(watch)
    assert f"<{WORD}>\n" == stream.getvalue()


def test_what_finalisers_raise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """And handed on."""
    handed_on: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", handed_on.append)

    class Bad:
        def __del__(self) -> None:
            raise ValueError(WORD)

    watch = Watch()
    with watching_process(watch):
        Bad()
    assert {("exceptions", "user text")} == places(watch)
    assert 1 == len(handed_on)


def test_what_threads_raise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """And handed on."""
    handed_on: list[object] = []
    monkeypatch.setattr(threading, "excepthook", handed_on.append)

    def fail() -> None:
        raise ValueError(WORD)

    watch = Watch()
    with watching_process(watch):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert {("exceptions", "user text")} == places(watch)
    assert 1 == len(handed_on)


def test_texts_of_an_exception_are_those_of_its_causes_too() -> None:
    """A secret may stand in the error behind the error."""
    error = ValueError("wrong")
    error.__cause__ = KeyError(WORD)
    assert any(WORD in text for text in list(exception_texts(error))[1:])


def test_files_are_found_wherever_they_are_written(tmp_path: Path) -> None:
    """Outside of the watched folder too, and under the name that they have in the end."""
    (tmp_path / "watched").mkdir()
    watch = Watch()
    with watching_process(watch) as written:
        (tmp_path / "a").write_text(WORD)
        (tmp_path / "a").rename(tmp_path / "b")
    look_into_files(watch, written, tmp_path / "watched")
    assert {str(tmp_path / "b")} == written
    assert {("files", "user text")} == places(watch)


def test_files_that_are_there_are_looked_into(tmp_path: Path) -> None:
    """However they came into the folder."""
    (tmp_path / "a").write_text(WORD)
    watch = Watch()
    look_into_files(watch, (), tmp_path)
    assert {("files", "user text")} == places(watch)


@pytest.mark.parametrize(
    ("name", "word", "expected"),
    [
        ("config.yaml", SECRET, set()),
        ("config.yaml", WORD, {("files", "user text")}),
        ("config.yaml", canary_text("management key", 2), {("files", "management key")}),
        ("other.yaml", SECRET, {("files", "provider key")}),
    ],
    ids=["secret", "content", "management key", "another file"],
)
def test_only_the_configuration_holds_secrets(
    name: str, word: str, expected: set[tuple[str, str]], tmp_path: Path
) -> None:
    """And of them not the management key, which is hashed there."""
    (tmp_path / name).write_text(word)
    watch = Watch()
    look_into_files(watch, (), tmp_path)
    assert expected == places(watch)


def test_a_file_that_was_removed_is_reported(tmp_path: Path) -> None:
    """Nobody knows what it held; a lock never holds anything."""
    watch = Watch()
    with watching_process(watch) as written:
        for name in ("gone", "gone.lock"):
            (tmp_path / name).touch()
            (tmp_path / name).unlink()
    look_into_files(watch, written, tmp_path)
    assert {("files", "a file that was removed before it could be looked into")} == places(watch)


def test_devices_are_no_files(tmp_path: Path) -> None:
    """What is written to /dev/null is nowhere."""
    watch = Watch()
    with watching_process(watch) as written:
        os.close(os.open(os.devnull, os.O_WRONLY))
    look_into_files(watch, written, tmp_path)
    assert ({os.devnull}, set()) == (written, places(watch))


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("socket.connect", "a connection"),
        ("socket.getaddrinfo", "a connection"),
        ("subprocess.Popen", "a process"),
    ],
)
def test_connections_and_processes_are_reported(event: str, kind: str) -> None:
    """A proof that is offline makes none."""
    watch = Watch()
    with watching_process(watch):
        sys.audit(event, "a", "b", "c", "d")
    assert {("network", kind)} == places(watch)


def test_afterwards_everything_is_as_it_was() -> None:
    """Levels, handlers, streams and hooks; and nothing is seen any more."""

    def state() -> tuple[object, ...]:
        root = logging.getLogger()
        streams = sys.stdout, sys.stderr, sys.unraisablehook, threading.excepthook, warnings.showwarning
        return root.level, LOG.level, tuple(root.handlers), *streams

    before = state()
    watch = Watch()
    with watching_process(watch):
        pass
    sys.audit("socket.connect", None, None)
    LOG.warning("%s", WORD)
    assert (before, set()) == (state(), places(watch))


def test_what_belongs_somewhere_is_allowed_there() -> None:
    """A client reads its own words, but neither a key nor what another client has said."""
    watch = Watch()
    for word in (WORD, SECRET, canary_text("user text", 3)):
        watch.see("answers to clients", word, allows=is_of(2))
    assert {("provider key", 2), ("user text", 3)} == {(seen.kind, seen.owner) for seen in watch.sightings}
    assert 3 == watch.looks["answers to clients"]
