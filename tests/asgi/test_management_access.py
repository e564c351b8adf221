"""Who may use the management API, and what everybody else learns of it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.asgi.management.bans import Bans
from packyproxy.asgi.management.component import Management
from packyproxy.config.password_hash import hash_password
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing import StreamingASGITransport

KEY = "management-key-0123"
STATUS = "/v0/management/status"
HASHED = hash_password(KEY, b"0123456789abcdef")
BEARER = {"authorization": f"Bearer {KEY}"}


def settings(key: str = KEY, *, allow_remote: bool = False) -> dict[str, Any]:
    remote = {"secret-key": key, "allow-remote": allow_remote}
    return {"remote-management": remote, "api-keys": ["client-key-0123"]}


def client_of(app: Any, address: str | None = "127.0.0.1", **more: Any) -> httpx.AsyncClient:
    """Return a client at an address; None for one that the server does not know."""
    client: Any = None if address is None else (address, 50000)
    transport = StreamingASGITransport(app, client=client, **more)
    return httpx.AsyncClient(transport=transport, base_url="http://proxy.test")


async def ask(
    app: Any, headers: Mapping[str, Any] = BEARER, *, path: str = STATUS, **where: Any
) -> httpx.Response:
    async with client_of(app, **where) as client:
        return await client.get(path, headers=dict(headers))


def told(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize("stored", [KEY, HASHED], ids=["plain", "hashed"])
@pytest.mark.parametrize(
    "headers",
    [
        BEARER,
        {"authorization": f"bearer  {KEY} "},
        {"x-management-key": KEY},
        {"x-management-key": KEY, "authorization": "Bearer a-key-of-the-host"},
        {"x-management-key": "wrong", "authorization": f"Bearer {KEY}"},
    ],
    ids=["bearer", "spelling", "header", "header-first", "one-of-two"],
)
async def test_the_key_opens(stored: str, headers: dict[str, str]) -> None:
    """It is shown as a bearer token or in its own header, and may be stored plain or hashed."""
    assert 200 == (await ask(PackyProxy(settings(stored)), headers)).status_code


@pytest.mark.parametrize("stored", [KEY, HASHED], ids=["plain", "hashed"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"authorization": "Bearer"},
        {"x-api-key": KEY},
        {"authorization": "Bearer client-key-0123"},
        {"x-management-key": ""},
        {"x-management-key": KEY[:-1]},
        {"x-management-key": KEY.upper()},
        {"x-management-key": HASHED},
        {"x-management-key": b"\xff\xfe"},
    ],
    ids=[
        "none",
        "wrong",
        "basic",
        "no-scheme",
        "no-key",
        "x-api-key",
        "client-key",
        "empty",
        "shorter",
        "case",
        "the-hash",
        "no-ascii",
    ],
)
async def test_anything_else_does_not(stored: str, headers: dict[str, Any]) -> None:
    """A client key, the stored hash and a key in the wrong place are as wrong as none."""
    response = await ask(PackyProxy(settings(stored)), headers)
    assert (401, "unauthorized") == told(response)
    assert response.headers["www-authenticate"].startswith("Bearer ")


async def test_a_management_key_opens_nothing_else() -> None:
    """The gateway takes client keys alone."""
    assert 401 == (await ask(PackyProxy(settings()), path="/v1/models")).status_code


@pytest.mark.parametrize(
    ("variable", "shown", "status"),
    [
        ("from-the-environment", b"from-the-environment", 200),
        (" from-the-environment\n", b"from-the-environment", 200),
        ("pässwort", "pässwort".encode(), 200),
        ("from-the-environment", b"other", 401),
        ("from-the-environment", KEY.encode(), 401),
    ],
    ids=["right", "blanks", "utf-8", "wrong", "not-configured"],
)
async def test_the_password_of_the_environment_is_a_key(
    monkeypatch: pytest.MonkeyPatch, variable: str, shown: bytes, status: int
) -> None:
    """``MANAGEMENT_PASSWORD`` switches the API on without a key in the file."""
    proxy = PackyProxy({})
    monkeypatch.setenv("MANAGEMENT_PASSWORD", variable)
    headers: Any = {"x-management-key": shown}
    assert status == (await ask(proxy, headers)).status_code


async def test_password_and_key_hold_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has one of them is let in."""
    monkeypatch.setenv("MANAGEMENT_PASSWORD", "from-the-environment")
    proxy = PackyProxy(settings())
    statuses = [
        (await ask(proxy, {"x-management-key": key})).status_code for key in (KEY, "from-the-environment")
    ]
    assert [200, 200] == statuses


UNKNOWN = "/v0/nothing"


@pytest.mark.parametrize("password", [None, "", "  "], ids=["unset", "empty", "blank"])
@pytest.mark.parametrize("path", [STATUS, "/v0/management", "/v0/management/", "/v0/management/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW"])
async def test_without_a_key_there_is_no_such_api(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str, password: str | None
) -> None:
    """Whatever is asked, the answer is that of any unknown path, but for the request's id."""
    if password is not None:
        monkeypatch.setenv("MANAGEMENT_PASSWORD", password)
    proxy = PackyProxy({"remote-management": {"secret-key": " "}} if password else {})
    async with client_of(proxy) as client:
        here, nowhere = [await client.request(method, each, headers=BEARER) for each in (path, UNKNOWN)]
    for response in (here, nowhere):
        del response.headers["x-request-id"]
    assert (404, nowhere.headers, nowhere.content) == (here.status_code, here.headers, here.content)


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "10.0.0.1", "2001:db8::7", "::ffff:192.0.2.7", None, "testclient"]
)
async def test_other_machines_are_refused(address: str | None) -> None:
    """Nor is anybody let in of whom the server does not say where they are; the right key does not help."""
    assert (403, "forbidden") == told(await ask(PackyProxy(settings()), address=address))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_is_let_in(address: str) -> None:
    """All of loopback counts, also as a socket for both families writes it."""
    assert 200 == (await ask(PackyProxy(settings()), address=address)).status_code


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip"])
async def test_what_a_proxy_passes_on_is_not_local(header: str) -> None:
    """A proxy on this machine is on loopback too, and its clients may be anywhere."""
    headers = {**BEARER, header: "127.0.0.1"}
    assert (403, "forbidden") == told(await ask(PackyProxy(settings()), headers))


@pytest.mark.parametrize(
    ("address", "headers"),
    [("192.0.2.7", {}), (None, {}), ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"})],
    ids=["remote", "unknown", "through-a-proxy"],
)
async def test_others_may_be_let_in(address: str | None, headers: dict[str, str]) -> None:
    """With ``allow-remote`` the key alone decides."""
    response = await ask(PackyProxy(settings(allow_remote=True)), {**BEARER, **headers}, address=address)
    assert 200 == response.status_code


async def test_a_refused_address_is_not_counted() -> None:
    """Who is refused for where they are shows nothing with their key, and is not banned for it."""
    proxy = PackyProxy(settings())
    codes = [told(await ask(proxy, {}, address="192.0.2.7")) for _ in range(7)]
    assert [(403, "forbidden")] * 7 == codes


async def fail(proxy: PackyProxy, times: int, headers: Mapping[str, str] = {}, **where: Any) -> list[int]:
    return [(await ask(proxy, headers, **where)).status_code for _ in range(times)]


async def test_five_wrong_keys_ban() -> None:
    """The sixth request is refused even with the right key, and told when to come back."""
    proxy = PackyProxy(settings())
    assert [401] * 5 == await fail(proxy, 5)
    response = await ask(proxy)
    assert (403, "banned") == told(response)
    assert 1795 < int(response.headers["retry-after"]) <= 1800


@pytest.mark.parametrize(
    ("site", "key", "last"),
    [("cross-site", "", 401), ("cross-site", "wrong", 403), ("none", "", 403)],
    ids=["page", "guess", "address-bar"],
)
async def test_a_page_of_another_site_cannot_lock_this_machine_out(site: str, key: str, last: int) -> None:
    """It can ask, but has no key to guess with: that is refused without being counted."""
    proxy = PackyProxy(settings())
    asked = {"sec-fetch-site": site, **({"x-management-key": key} if key else {})}
    assert [401] * 5 == await fail(proxy, 5, asked)
    assert [last] == await fail(proxy, 1, asked)


async def test_a_right_key_forgives() -> None:
    """Only failures in a row count."""
    proxy = PackyProxy(settings())
    for _ in range(3):
        assert [401] * 4 == await fail(proxy, 4)
        assert 200 == (await ask(proxy)).status_code


async def test_a_ban_holds_for_its_address_alone() -> None:
    """Somebody else on this machine is not locked out; nor is this machine by the clients of its proxy."""
    proxy = PackyProxy(settings(allow_remote=True))
    await fail(proxy, 5, {"x-forwarded-for": "192.0.2.7"})
    assert [403] == await fail(proxy, 1, {**BEARER, "x-forwarded-for": "192.0.2.8"})
    assert [200, 200] == [
        (await ask(proxy, address=address)).status_code for address in ("127.0.0.1", "192.0.2.7")
    ]


async def test_many_keys_at_once_are_no_way_around() -> None:
    """A right key among a hundred that are tried at the same time opens nothing, if five wrong ones came first."""
    proxy = PackyProxy(settings(HASHED))
    keys = [*(f"wrong-{number}" for number in range(8)), KEY, "wrong"]
    answers = await asyncio.gather(*(ask(proxy, {"x-management-key": key}) for key in keys))
    assert 200 not in [answer.status_code for answer in answers]
    assert (403, "banned") == told(answers[8])


async def test_a_ban_that_begins_meanwhile_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right key that is looked at while wrong ones are counted elsewhere opens nothing."""
    proxy = PackyProxy(settings())
    await fail(proxy, 5)

    async def not_yet(*_: object) -> float:
        return 0.0

    monkeypatch.setattr(Bans, "seconds_left", not_yet)
    assert (403, "banned") == told(await ask(proxy))


async def test_what_comes_behind_a_ban_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred wrong keys that come at once only five are hashed, which takes a core 50 ms each."""
    hashed: list[bytes] = []

    def refuse(key: bytes, _: str) -> bool:
        hashed.append(key)
        return False

    monkeypatch.setattr("packyproxy.runtime.management_key.matches", refuse)
    proxy = PackyProxy(settings(HASHED))
    keys = [f"wrong-{number}" for number in range(100)]
    answers = await asyncio.gather(*(ask(proxy, {"x-management-key": key}) for key in keys))
    assert 5 == len(hashed)
    assert {401: 5, 403: 95} == Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("key", ["voilà", "Å", "\u2025"], ids=["blank", "next-line", "several"])
async def test_a_key_may_be_any_text(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Bytes of its UTF-8 that would be blanks in Latin-1 belong to it, in either header."""
    monkeypatch.setenv("MANAGEMENT_PASSWORD", key)
    proxy = PackyProxy({})
    sent = [{"authorization": b"Bearer " + key.encode()}, {"x-management-key": key.encode()}]
    assert [200, 200] == [(await ask(proxy, headers)).status_code for headers in sent]


async def test_the_right_key_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request with a key that is known to be right waits for no scrypt."""
    proxy = PackyProxy(settings(HASHED))
    await ask(proxy)
    monkeypatch.setattr("packyproxy.runtime.management_key.matches", None)
    assert 200 == (await ask(proxy)).status_code


async def test_another_hash_wants_another_key() -> None:
    """What was known of the old key is worth nothing after a reload."""
    proxy = PackyProxy(settings(HASHED))
    await ask(proxy)
    other = PackyProxy(settings(hash_password("another-key", b"0123456789abcdef"))).runtime.snapshot.config
    proxy.runtime.apply(other)
    statuses = [(await ask(proxy, {"x-management-key": key})).status_code for key in (KEY, "another-key")]
    assert [401, 200] == statuses


async def test_failures_are_noted(caplog: pytest.LogCaptureFixture) -> None:
    """The audit trail has the address of a wrong key and the ban that followed, and nobody's key."""
    proxy = PackyProxy(settings())
    with caplog.at_level("DEBUG"):
        await fail(proxy, 5, {"x-management-key": "wrong-key-of-somebody"})
    events = {event.event: event.detail for event in proxy.runtime.audit.report().events}
    assert ("127.0.0.1", 5) == (
        events["management_auth_failed"]["address"],
        events["management_auth_failed"]["count"],
    )
    assert "127.0.0.1" == events["management_banned"]["address"]
    assert proxy.runtime.recorder.figures().denials["management"] == 5
    assert "wrong-key-of-somebody" not in caplog.text + str(events)


async def test_mounted_alone_it_is_as_guarded(stage: Callable[..., Any]) -> None:
    """A host that mounts the component under a path gets the same door."""
    proxy: PackyProxy = stage(config=settings()).proxy
    app = Management(proxy.runtime)
    answers = [await ask(app, headers, path=f"/llm{STATUS}", root_path="/llm") for headers in (BEARER, {})]
    assert [200, 401] == [answer.status_code for answer in answers]


async def test_two_proxies_ban_each_for_itself() -> None:
    """Instances in one process share nothing."""
    one, other = PackyProxy(settings()), PackyProxy(settings())
    await fail(one, 5)
    assert [403, 200] == [(await ask(proxy)).status_code for proxy in (one, other)]


async def test_proxies_over_one_store_share_their_bans() -> None:
    """What five failures at two workers do, they do at both."""
    one = PackyProxy(settings()).runtime
    other = Runtime(one.snapshot.config, store=one.store)
    statuses = [
        (await ask(Management(runtime), {})).status_code for runtime in (one, other, one, other, one, other)
    ]
    assert [401, 401, 401, 401, 401, 403] == statuses
