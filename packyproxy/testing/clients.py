"""Clients of the Anthropic and the OpenAI SDK whose requests go to an ASGI app in this process.

The SDKs are imported when a client is made; whichever is needed must be installed. Both libraries that they
are built on are served: httpx2, and httpx by older versions. Nothing is asked twice unless ``max_retries`` is
given, since an SDK sleeps before it asks again.
"""

from collections.abc import Awaitable, Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from packyproxy.testing.streaming_transport import StreamingASGITransport
from packyproxy.testing.threaded_transport import ThreadedASGITransport

if TYPE_CHECKING:
    import anthropic
    import openai

__all__ = ["anthropic_client", "openai_client", "sync_anthropic_client", "sync_openai_client"]

_App: TypeAlias = Callable[..., Awaitable[None]]

_ORIGIN: Final = "http://testserver"
"""The host that apps under test expect, since the test clients of Starlette and Django call it so."""
_ANY_KEY: Final = "any-value"


def anthropic_client(
    app: _App, *, path: str = "", api_key: str | None = _ANY_KEY, max_retries: int = 0, **options: Any
) -> "anthropic.AsyncAnthropic":
    """Return an Anthropic client that awaits.

    It needs no closing: nothing is open between its requests.

    Args:
        app: a :class:`packyproxy.PackyProxy`, or whatever it is mounted in. Its lifespan is not run.
        path: where in the app the proxy is mounted, as ``/llm``; the SDK adds ``/v1/messages``.
        api_key: a client key, if the proxy insists on one; None where the options have other credentials.
        max_retries: how often the SDK asks again.
        options: whatever else the SDK's client takes.

    Raises:
        ImportError: the SDK is not installed.
    """
    sdk = _sdk("anthropic")
    client: anthropic.AsyncAnthropic = sdk.AsyncAnthropic(
        api_key=api_key,
        base_url=_ORIGIN + path,
        http_client=_async_http_client(sdk, app),
        max_retries=max_retries,
        **options,
    )
    return client


def openai_client(
    app: _App, *, path: str = "/v1", api_key: str | None = _ANY_KEY, max_retries: int = 0, **options: Any
) -> "openai.AsyncOpenAI":
    """Return an OpenAI client that awaits, for Chat Completions and Responses.

    As :func:`anthropic_client`, but that ``path`` ends with ``/v1``: the SDK adds ``/responses``.

    Raises:
        ImportError: the SDK is not installed.
    """
    sdk = _sdk("openai")
    client: openai.AsyncOpenAI = sdk.AsyncOpenAI(
        api_key=api_key,
        base_url=_ORIGIN + path,
        http_client=_async_http_client(sdk, app),
        max_retries=max_retries,
        **options,
    )
    return client


def sync_anthropic_client(
    app: _App, *, path: str = "", api_key: str | None = _ANY_KEY, max_retries: int = 0, **options: Any
) -> "anthropic.Anthropic":
    """Return an Anthropic client that blocks, for code and tests without an event loop.

    The app runs in a thread until the client is closed: ``with sync_anthropic_client(app) as client``. Apart
    from that as :func:`anthropic_client`.

    Raises:
        ImportError: the SDK is not installed.
    """
    sdk = _sdk("anthropic")
    client: anthropic.Anthropic = sdk.Anthropic(
        api_key=api_key,
        base_url=_ORIGIN + path,
        http_client=_http_client(sdk, app),
        max_retries=max_retries,
        **options,
    )
    return client


def sync_openai_client(
    app: _App, *, path: str = "/v1", api_key: str | None = _ANY_KEY, max_retries: int = 0, **options: Any
) -> "openai.OpenAI":
    """Return an OpenAI client that blocks, for code and tests without an event loop.

    The app runs in a thread until the client is closed: ``with sync_openai_client(app) as client``. Apart
    from that as :func:`openai_client`.

    Raises:
        ImportError: the SDK is not installed.
    """
    sdk = _sdk("openai")
    client: openai.OpenAI = sdk.OpenAI(
        api_key=api_key,
        base_url=_ORIGIN + path,
        http_client=_http_client(sdk, app),
        max_retries=max_retries,
        **options,
    )
    return client


def _sdk(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        problem = f"a client of the {name} SDK needs that SDK: pip install {name}"
        raise ModuleNotFoundError(problem, name=name) from None


def _async_http_client(sdk: ModuleType, app: _App) -> object:
    library = _http_library(sdk)
    return library.AsyncClient(transport=StreamingASGITransport(app), follow_redirects=True)


def _http_client(sdk: ModuleType, app: _App) -> object:
    library = _http_library(sdk)
    return library.Client(transport=ThreadedASGITransport(app), follow_redirects=True)


def _http_library(sdk: ModuleType) -> ModuleType:
    """Return the library that an SDK is built on.

    Its client class is taken, not the SDK's: that one refuses a transport which derives from a class of httpx
    where it is built on httpx2. Timeouts left at the library's default count as none, so the SDK's own hold.
    """
    packages = (cls.__module__.partition(".")[0] for cls in sdk.DefaultHttpxClient.__mro__)
    return import_module(next(name for name in packages if name in {"httpx", "httpx2"}))
