"""The management key is hashed where it stands in a file, and known again without hashing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.config import Config, config_from_mapping, parse_config
from packyproxy.config.password_hash import hash_password, is_hash, matches
from packyproxy.errors import ConfigError, Problem
from packyproxy.runtime.management_key import ManagementKey
from packyproxy.runtime.observation.audit import Audit
from packyproxy.runtime.reload.editing import NoFile
from packyproxy.testing import StreamingASGITransport

KEY = "management-key-0123"
FILE = f"""\
# our proxy
remote-management:
  allow-remote: false
  secret-key: "{KEY}" # asked for by the panel
debug: false
"""


def config_of(key: str) -> Config:
    return config_from_mapping({"remote-management": {"secret-key": key}})


class File:
    """A file in memory that is in force."""

    def __init__(self, text: str, error: Exception | None = None) -> None:
        self.text = text
        self.error = error
        self.tries = 0

    def config(self) -> Config:
        return parse_config(self.text)

    async def change(self, edit: Callable[[str, Config], str]) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.text = edit(self.text, self.config())


@pytest.fixture
def audit() -> Audit:
    """Return an empty audit trail."""
    return Audit(now=lambda: 0.0)


def events(audit: Audit) -> list[tuple[str, Any]]:
    return [(event.event, event.detail) for event in audit.report().events]


async def test_a_plain_key_is_hashed_in_its_file(audit: Audit) -> None:
    """Everything else in the file stays as it is, comments too, and the key goes on to open."""
    file = File(FILE)
    key = ManagementKey(file.config, file.change, audit)
    await key.protect()
    stored = file.config().remote_management.secret_key
    assert stored is not None
    assert matches(KEY.encode(), stored.reveal())
    assert FILE.replace(KEY, stored.reveal()) == file.text
    assert [True, False] == [await key.is_shown_by(shown) for shown in (KEY.encode(), b"wrong")]
    assert [("management_key_hashed", {"source": "text"})] == events(audit)


async def test_a_key_is_hashed_once(audit: Audit) -> None:
    """Asking again costs nothing; a new key is hashed in its turn."""
    file = File(FILE)
    key = ManagementKey(file.config, file.change, audit)
    for text in (FILE, None, FILE, FILE.replace(KEY, "another-key")):
        file.text = text or file.text
        await key.protect()
        await key.protect()
    assert (2, True) == (file.tries, is_hash(file.text.split('"')[1]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "remote-management: {}\n",
        "remote-management: {secret-key: ''}\n",
        FILE.replace(KEY, hash_password(KEY, b"salt")),
    ],
    ids=["no-block", "no-key", "empty", "hashed"],
)
async def test_where_no_key_is_plain_nothing_is_written(text: str, audit: Audit) -> None:
    """The file is not even looked at."""
    file = File(text)
    await ManagementKey(file.config, file.change, audit).protect()
    assert (0, []) == (file.tries, events(audit))


@pytest.mark.parametrize(
    "on_disk",
    [
        "[]",
        "remote-management: [1]\n",
        "remote-management: {secret-key: 12345678}\n",
        "a: {",
        "remote-management: {secret-key: 'scrypt$1'}",
    ],
    ids=["list", "no-block", "number", "broken", "no-hash"],
)
async def test_what_stands_in_the_file_meanwhile_stays(on_disk: str, audit: Audit) -> None:
    """The file may say something else than what is in force by now: only a plain key is touched."""
    file = File(on_disk)
    file.config = lambda: config_of(KEY)  # type: ignore[method-assign]  # what is in force is older
    await ManagementKey(lambda: config_of(KEY), file.change, audit).protect()
    assert (on_disk, []) == (file.text, events(audit))


@pytest.mark.parametrize(
    ("error", "reasons"),
    [
        (ConfigError((Problem(field="", code="not_writable", message="m", fix="f"),)), ("not_writable",)),
        (NoFile(), ("no_file",)),
    ],
    ids=["read-only", "gone"],
)
async def test_a_file_that_cannot_be_written_is_a_warning(
    error: Exception, reasons: tuple[str, ...], audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once for each key, which goes on to open."""
    file = File(FILE, error)
    key = ManagementKey(file.config, file.change, audit)
    for _ in range(3):
        await key.protect()
    assert [("management_key_plain", {"reasons": reasons})] == events(audit)
    assert await key.is_shown_by(KEY.encode())
    assert ["WARNING"] == [record.levelname for record in caplog.records]
    assert KEY not in caplog.text


async def test_without_a_file_the_key_stays_as_it_was_given(audit: Audit) -> None:
    """What a program gave is its own, and is in memory alone."""
    key = ManagementKey(lambda: config_of(KEY), None, audit)
    await key.protect()
    assert (True, []) == (await key.is_shown_by(KEY.encode()), events(audit))


@pytest.mark.parametrize(
    ("key", "password", "is_set"),
    [("", "", False), (KEY, "", True), ("", "password", True), (" ", " ", False)],
    ids=["none", "key", "password", "blank"],
)
def test_one_of_two_keys_will_do(
    monkeypatch: pytest.MonkeyPatch, audit: Audit, key: str, password: str, *, is_set: bool
) -> None:
    """The environment is asked each time: what is set later counts."""
    found = ManagementKey(lambda: config_of(key), None, audit)
    monkeypatch.setenv("MANAGEMENT_PASSWORD", password)
    assert is_set is found.is_set


async def test_nothing_opens_where_no_key_is_set(audit: Audit) -> None:
    """Not even nothing."""
    key = ManagementKey(Config, None, audit)
    assert [False, False] == [await key.is_shown_by(shown) for shown in (b"", b"x")]


def test_it_does_not_show_what_it_knows(audit: Audit) -> None:
    """Neither the key nor the digest that stands for it is in its ``repr``."""
    assert KEY not in repr(ManagementKey(lambda: config_of(KEY), None, audit))


class Host:
    """Two proxies over one file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(FILE)
        self.path.chmod(0o640)
        self.proxy, self.other = PackyProxy(self.path), PackyProxy(self.path)

    def stored(self) -> str:
        return self.path.read_text().split('secret-key: "')[1].split('"')[0]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return proxies over a file with a plain key."""
    return Host(tmp_path)


async def test_the_key_is_hashed_when_the_runtime_starts(host: Host) -> None:
    """Not when the proxy is made; and whoever enters the runtime finds it done."""
    assert KEY == host.stored()
    async with host.proxy:
        stored = host.stored()
        assert matches(KEY.encode(), stored)
        secret = host.proxy.runtime.snapshot.config.remote_management.secret_key
        assert stored == (secret and secret.reveal())
    assert (FILE.replace(KEY, stored), 0o640) == (host.path.read_text(), host.path.stat().st_mode & 0o777)


async def test_a_reload_that_brings_a_key_has_it_hashed(host: Host) -> None:
    """The task that follows the file does that within moments, without a request."""
    async with host.proxy:
        host.path.write_text(FILE.replace(KEY, "another-key-0123"))
        async with asyncio.timeout(5):
            await host.proxy.reload()
            while not is_hash(host.stored()):  # noqa: ASYNC110 - only the file tells
                await asyncio.sleep(0.01)
        assert matches(b"another-key-0123", host.stored())


async def test_without_a_lifespan_the_first_request_hashes_it(host: Host) -> None:
    """No other request does: it is the API's own that pays for it."""
    transport = StreamingASGITransport(host.proxy)
    statuses = []
    for path in ("/healthz", "/v0/management/status"):
        status = await _status(transport, path)
        statuses.append((status, is_hash(host.stored())))
    assert [(200, False), (200, True)] == statuses


async def _status(transport: StreamingASGITransport, path: str) -> int:
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy.test") as client:
        response = await client.get(path, headers={"x-management-key": KEY})
    return response.status_code


async def test_a_read_only_file_is_served_all_the_same(host: Host) -> None:
    """The proxy starts, and warns."""
    host.path.chmod(0o440)
    async with host.proxy:
        assert "management_key_plain" in [event.event for event in host.proxy.runtime.audit.report().events]
    assert FILE == host.path.read_text()


async def test_two_workers_hash_one_key_once(host: Host) -> None:
    """They take turns at the file: the second finds a hash there, and takes it."""
    proxies = (host.proxy, host.other)
    async with host.proxy, host.other:
        secrets = [proxy.runtime.snapshot.config.remote_management.secret_key for proxy in proxies]
        hashed = [event.event for proxy in proxies for event in proxy.runtime.audit.report().events]
    assert [host.stored()] * 2 == [secret and secret.reveal() for secret in secrets]
    assert 1 == hashed.count("management_key_hashed")
