"""What the names of the package are to a type checker, and which uses it refuses."""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, assert_type

import httpx

import packyproxy
from packyproxy import Config, PackyProxy, PackyProxyMiddleware
from packyproxy.asgi import Gateway, Management, Models, Status, Validator
from packyproxy.config.changes import Change
from packyproxy.runtime import Runtime
from packyproxy.testing import StreamingASGITransport

assert_type(packyproxy.__version__, str)
packyproxy.PakyProxy()  # type: ignore[attr-defined]

proxy = PackyProxy()
assert_type(proxy.runtime, Runtime)
assert_type(proxy.lifespan(), AbstractAsyncContextManager[None])
assert_type(proxy.lifespan(object()), AbstractAsyncContextManager[None])


def sources(config: Config, mapping: Mapping[str, Any], path: Path, number: int) -> None:
    """A configuration comes from a path, a mapping or a ``Config``, or is looked for."""
    for each in (config, mapping, path, str(path), None):
        PackyProxy(each)
        Runtime(each)
        PackyProxyMiddleware(proxy, each)
    PackyProxy({"packycode": {"enabled": True}})
    PackyProxy(number)  # type: ignore[arg-type]
    PackyProxy(config, transport=StreamingASGITransport(proxy))
    PackyProxy(config, client=httpx.AsyncClient())
    PackyProxy(config, httpx.AsyncClient())  # type: ignore[arg-type,call-arg]
    PackyProxy(config, client=httpx.Client())  # type: ignore[arg-type]


async def lifetime() -> None:
    """A proxy and a runtime are entered for what they are."""
    async with proxy as entered:
        assert_type(entered, PackyProxy)
    async with Runtime() as runtime:
        assert_type(runtime, Runtime)
    async with proxy.lifespan() as nothing:
        assert_type(nothing, None)
    assert_type(await proxy.reload(), tuple[Change, ...])
    with proxy:  # type: ignore[attr-defined]
        pass


def parts(app: PackyProxyMiddleware, runtime: Runtime) -> None:
    """A middleware shows its proxy, and a component takes a runtime and nothing else."""
    assert_type(app.proxy, PackyProxy)
    for component in (Gateway, Management, Models, Status, Validator):
        component(runtime)
        component(proxy)  # type: ignore[arg-type]
