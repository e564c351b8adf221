"""Answer browsers of other origins, as far as ``cors-origins`` allows it at this moment."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send

from packyproxy.runtime.runtime import Runtime

__all__ = ["Cors"]


class Cors:
    """An ASGI component around another one; without origins it adds nothing."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._in_force: tuple[tuple[str, ...], ASGIApp] = ((), app)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request; returns what does it, for a coroutine of our own would last as long as it."""
        origins, app = self._in_force
        wanted = self._runtime.snapshot.config.cors_origins
        if wanted != origins:
            app = self._allowing(wanted)
            self._in_force = wanted, app
        return app(scope, receive, send)

    def _allowing(self, origins: tuple[str, ...]) -> ASGIApp:
        if not origins:
            return self._app
        # Half a megabyte and 12 ms of every start, for what few configurations ask for.
        from starlette.middleware.cors import CORSMiddleware  # noqa: PLC0415

        return CORSMiddleware(self._app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
