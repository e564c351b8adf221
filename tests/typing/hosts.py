"""How the proxy is put into hosts: each form type-checks as it stands in the documentation."""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnusedFunction=false

from asgiref.typing import ASGI3Application
from fastapi import FastAPI
from hypercorn.typing import ASGIFramework
from litestar import Litestar, asgi
from litestar.types import Receive, Scope, Send
from quart import Quart
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from packyproxy import PackyProxy, PackyProxyMiddleware
from packyproxy.asgi import Gateway, Management, Models, Status, Validator
from packyproxy.runtime import Runtime

proxy = PackyProxy("config.yaml")
runtime = Runtime("config.yaml")

fastapi = FastAPI(lifespan=proxy.lifespan)
fastapi.mount("/llm", proxy)
fastapi.add_middleware(PackyProxyMiddleware, config="config.yaml", prefix="/llm")

starlette = Starlette(routes=[Mount("/llm", proxy)], lifespan=proxy.lifespan)
starlette.mount("/llm", proxy)
starlette.add_middleware(PackyProxyMiddleware, config="config.yaml", prefix="/llm")
Starlette(middleware=[Middleware(PackyProxyMiddleware, config="config.yaml", prefix="/llm")])
Starlette(
    routes=[Route("/v1/models", Models(runtime)), Mount("/", Gateway(runtime))], lifespan=runtime.running
)

litestar = Litestar([asgi("/llm", is_mount=True, copy_scope=True)(proxy)], lifespan=[proxy.lifespan])


@asgi("/llm", is_mount=True, copy_scope=True)
async def llm(scope: Scope, receive: Receive, send: Send) -> None:
    """Call the proxy with a framework's own types."""
    await proxy(scope, receive, send)


quart = Quart(__name__)
PackyProxyMiddleware(quart, "config.yaml", prefix="/llm")
PackyProxyMiddleware(quart.asgi_app, "config.yaml", prefix="/llm")
PackyProxyMiddleware(litestar, "config.yaml", prefix="/llm")
PackyProxyMiddleware(proxy, "config.yaml", prefix="/llm")

starlette_apps: list[ASGIApp] = [proxy, PackyProxyMiddleware(starlette)]
asgiref_apps: list[ASGI3Application] = [proxy, PackyProxyMiddleware(starlette)]
hypercorn_apps: list[ASGIFramework] = [proxy, PackyProxyMiddleware(starlette)]
components: list[ASGI3Application] = [
    Gateway(runtime),
    Management(runtime),
    Models(runtime),
    Status(runtime),
    Validator(runtime),
]

fastapi.add_middleware(PackyProxyMiddleware, config="config.yaml", path="/llm")  # type: ignore[call-arg]
PackyProxyMiddleware("config.yaml")  # type: ignore[arg-type]
