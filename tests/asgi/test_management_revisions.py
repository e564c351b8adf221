"""The revision that an answer carries is never newer than what the answer shows."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from packyproxy.app import PackyProxy
from packyproxy.config import Config, config_from_mapping
from packyproxy.config.password_hash import is_hash
from packyproxy.config.reading import text_revision
from packyproxy.config.yaml_file import read_text
from packyproxy.runtime.management_key import ManagementKey
from packyproxy.runtime.snapshot import Snapshot
from tests.support.management import CONFIG, Console


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Hold up every configuration right before it comes into force; the event is set when one waits."""
    build, waits, may_go_on = Snapshot.build, Event(), Event()

    def slow(*arguments: Any) -> Snapshot:
        waits.set()
        may_go_on.wait(10)
        return build(*arguments)

    monkeypatch.setattr(Snapshot, "build", slow)
    yield waits
    may_go_on.set()


async def test_what_is_about_to_be_in_force_has_no_revision_yet(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is shown the old block is given the old revision, so that a write that relies on it loses."""
    before = await console.call("GET", "/request-retry")
    with held(monkeypatch) as waits:
        change = asyncio.create_task(console.call("PUT", "/request-retry", json={"value": 7}))
        await asyncio.to_thread(waits.wait, 10)
        meanwhile = await console.call("GET", "/request-retry")
    written = await change
    assert {"request-retry": 0} == meanwhile.json()
    assert before.headers["etag"] == meanwhile.headers["etag"] != written.headers["etag"]


async def test_a_program_is_not_kept_waiting_by_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The revision of what is in force is known while something else is about to be."""
    runtime = PackyProxy({"request-retry": 1}).runtime
    before = runtime.editor.revision
    with held(monkeypatch) as waits:
        change = asyncio.create_task(runtime.editor.change(lambda *_: "request-retry: 2\n"))
        await asyncio.to_thread(waits.wait, 10)
        meanwhile = runtime.editor.revision
    await change
    assert before == meanwhile != runtime.editor.revision


async def test_a_listener_of_a_program_sees_the_revision_of_what_it_hears_of() -> None:
    """On any thread, and although the change is not over."""
    runtime = PackyProxy({}).runtime
    text, found = "request-retry: 2\n", []

    def listener(_: Config) -> None:
        with ThreadPoolExecutor() as pool:
            found.append(pool.submit(lambda: runtime.editor.revision).result(10))

    runtime.listen(listener)
    await runtime.editor.change(lambda *_: text)
    assert [text_revision(text)] == found


async def test_a_text_that_means_the_same_is_kept() -> None:
    """Nothing comes into force, but the next one who asks gets the text as it was written."""
    runtime = PackyProxy({"request-retry": 2}).runtime
    text = "request-retry: 2  # as before\n"
    await runtime.editor.change(lambda *_: text)
    assert (text, text_revision(text)) == await runtime.editor.text()
    assert text_revision(text) == runtime.editor.revision


async def test_a_change_that_fails_leaves_the_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it does so at the last moment."""
    runtime = PackyProxy({"request-retry": 1}).runtime
    before = runtime.editor.revision

    def fail(*_: Any) -> Snapshot:
        raise ZeroDivisionError

    monkeypatch.setattr(Snapshot, "build", fail)
    with pytest.raises(ZeroDivisionError):
        await runtime.editor.change(lambda *_: "request-retry: 2\n")
    assert before == runtime.editor.revision


async def test_a_management_key_is_written_as_its_hash(console: Console) -> None:
    """It never stands in the file, and the answer's mask and revision hold for the next write."""
    body = {**await console.get("/config"), "remote-management": {"secret-key": "another-management-key"}}
    written = await console.call("PUT", "/config", json=body)
    root: Any = read_text(console.text).root
    assert is_hash(root["remote-management"]["secret-key"])
    headers = {"if-match": written.headers["etag"]}
    text = console.text
    again = await console.call("PUT", "/config", json=written.json(), headers=headers)
    assert (200, text) == (again.status_code, console.text)


async def test_a_text_is_written_with_its_management_key_hashed(console: Console) -> None:
    """Comments stay; the new key opens the API."""
    text = f"{CONFIG}remote-management: {{secret-key: another-management-key}}  # for the panel\n"
    written = await console.call("PUT", "/config.yaml", content=text.encode())
    assert 200 == written.status_code, written.text
    assert "another-management-key" not in console.text
    assert "# for the panel" in console.text
    headers = {"x-management-key": "another-management-key"}
    assert 200 == (await console.call("GET", "/status", headers=headers)).status_code


async def test_a_key_that_cannot_be_hashed_alone_is_in_nobodys_way(console: Console) -> None:
    """An anchor has it stand for something else too; everything else can be changed all the same."""
    await asyncio.to_thread(
        console.path.write_text,
        "remote-management: {secret-key: &key a-shared-key}\napi-keys: [*key]\nrequest-retry: 1\n",
    )
    assert {"request-retry": 2} == await console.answer("PUT", "/request-retry", {"value": 2})
    assert "&key a-shared-key" in console.text


async def test_a_key_that_could_not_be_hashed_in_time_is_tried_again() -> None:
    """A client that leaves while others write does not leave its key in the file."""
    tries = 0

    async def change(_: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise asyncio.CancelledError

    config = config_from_mapping({"remote-management": {"secret-key": "management-key-0123"}})
    key = ManagementKey(lambda: config, change, PackyProxy({}).runtime.audit)
    with pytest.raises(asyncio.CancelledError):
        await key.protect()
    await key.protect()
    await key.protect()
    assert 2 == tries
