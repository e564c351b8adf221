"""Fixtures for tests of applications that ask a model: pytest finds them where packyproxy is installed.

``packy_upstream`` plays the model, ``packy_proxy`` leads to it, and a client of each SDK asks through that.
The fixtures are synchronous, so they serve tests of any kind, under any plugin for asynchronous ones. This
module is imported in every run of pytest, so what it needs loads when tests that use it have been collected:
not before, and not within the first of them, which is to be as quick as the others.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest

import packyproxy
from packyproxy import testing

if TYPE_CHECKING:
    import anthropic
    import openai

__all__ = [
    "packy_anthropic",
    "packy_anthropic_sync",
    "packy_config",
    "packy_openai",
    "packy_openai_sync",
    "packy_proxy",
    "packy_upstream",
    "pytest_collection_finish",
]

_NEEDED: Final = {
    "packy_anthropic": ("packyproxy.testing.clients", "anthropic"),
    "packy_anthropic_sync": ("packyproxy.testing.clients", "anthropic"),
    "packy_openai": ("packyproxy.testing.clients", "openai"),
    "packy_openai_sync": ("packyproxy.testing.clients", "openai"),
    "packy_proxy": ("packyproxy.app", "packyproxy.testing.forgetting"),
    "packy_upstream": ("packyproxy.testing.upstream.fake_upstream",),
}
"""The modules that a fixture needs."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load what the collected tests will need; called by pytest."""
    if session.config.getoption("collectonly"):
        return
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    for module in dict.fromkeys(module for name in used & _NEEDED.keys() for module in _NEEDED[name]):
        with suppress(Exception):  # raised again, and seen, where the fixture is made
            import_module(module)


@pytest.fixture
def packy_upstream() -> "Iterator[testing.FakeUpstream]":
    """Return the model's place: a ``FakeUpstream``, which repeats what it is told until the test scripts it.

    ``packy_upstream.script = [Turn(calls=[Call("weather", {"city": "Oslo"})]), "Sunny"]`` gives one answer
    per request; ``packy_upstream.requests`` shows what was asked. A request after the last answer, and an
    error in a script that is a function, is raised when the test ends, if it was not before.
    """
    upstream = testing.FakeUpstream(when_exhausted="fail")
    yield upstream
    upstream.check_script()


@pytest.fixture
def packy_config() -> Mapping[str, Any]:
    """Return the configuration of ``packy_proxy``, to be overridden: ``return {**packy_config, ...}``.

    One provider serves all models. What failed is not asked again by the proxy itself, so that one request
    of the test uses up one answer of the script.
    """
    return {
        "packycode": {
            "enabled": True,
            "base-url": "https://upstream.test/v1",
            "credentials": {"openai-api-key": "sk-test"},
        },
        "request-retry": 0,
    }


@pytest.fixture
def packy_proxy(
    packy_config: Mapping[str, Any], packy_upstream: "testing.FakeUpstream"
) -> "Iterator[packyproxy.PackyProxy]":
    """Return a ``PackyProxy`` in front of ``packy_upstream``: an ASGI app, to be mounted or asked.

    An upstream that failed is asked again by the next request; outside of tests it would rest for a while.
    What is wrong with the script of an upstream of your own is raised when the test ends, too.
    """
    proxy = packyproxy.PackyProxy(packy_config, transport=testing.StreamingASGITransport(packy_upstream))
    testing.forget_failures(proxy.runtime)
    yield proxy
    if isinstance(packy_upstream, testing.FakeUpstream):  # any ASGI app may stand there
        packy_upstream.check_script()


@pytest.fixture
def packy_anthropic(packy_proxy: "packyproxy.PackyProxy") -> "anthropic.AsyncAnthropic":
    """Return an ``anthropic.AsyncAnthropic`` that asks through ``packy_proxy``."""
    return testing.anthropic_client(packy_proxy)


@pytest.fixture
def packy_openai(packy_proxy: "packyproxy.PackyProxy") -> "openai.AsyncOpenAI":
    """Return an ``openai.AsyncOpenAI`` that asks through ``packy_proxy``."""
    return testing.openai_client(packy_proxy)


@pytest.fixture
def packy_anthropic_sync(packy_proxy: "packyproxy.PackyProxy") -> "Iterator[anthropic.Anthropic]":
    """Return an ``anthropic.Anthropic``, for code that blocks, that asks through ``packy_proxy``."""
    with testing.sync_anthropic_client(packy_proxy) as client:
        yield client


@pytest.fixture
def packy_openai_sync(packy_proxy: "packyproxy.PackyProxy") -> "Iterator[openai.OpenAI]":
    """Return an ``openai.OpenAI``, for code that blocks, that asks through ``packy_proxy``."""
    with testing.sync_openai_client(packy_proxy) as client:
        yield client
