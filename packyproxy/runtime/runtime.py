"""The running proxy: its snapshot, what it has learned, and the connections of each event loop.

Construction is free: no task, no connection, and no I/O but the reading of the configuration. Connections
belong to the event loop that opened them, so one runtime may serve several loops, in several threads; the
last to leave its context on a loop closes those of that loop, and at the latest they close with it. What runs
in the background does so on one loop, from the first entering to the last leaving.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from os import PathLike, fspath
from typing import Any, NoReturn, Self, TypeAlias

import httpx

from packyproxy.config import Config, config_from_mapping
from packyproxy.config.changes import Change, changes
from packyproxy.providers.learned import Learned
from packyproxy.providers.provider import Provider
from packyproxy.runtime.background.discovery import run_discovery
from packyproxy.runtime.background.health_checks import run_health_checks
from packyproxy.runtime.background.tasks import Background
from packyproxy.runtime.hooks import Authorize, Hooks, OnRoute, OnUsage
from packyproxy.runtime.management_key import ManagementKey, follow_management_key
from packyproxy.runtime.observation.audit import Audit
from packyproxy.runtime.observation.provider_notes import ProviderNotebook
from packyproxy.runtime.observation.recorder import Recorder
from packyproxy.runtime.per_loop import Entries
from packyproxy.runtime.pools import LoopPools
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.reload.editing import ConfigEditor, FileText, MemoryText
from packyproxy.runtime.reload.reloader import Reloader, ReloadState
from packyproxy.runtime.routing import Routing
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.runtime.upstream import Upstream, WrapTransport
from packyproxy.store.contract import Store
from packyproxy.store.memory import MemoryStore
from packyproxy.translate.token_count import ScaleFactors
from packyproxy.version import __version__

__all__ = ["ConfigSource", "Runtime"]

ConfigSource: TypeAlias = "Config | ConfigFile | Mapping[str, Any] | str | PathLike[str] | None"
"""Where a configuration comes from."""

_FOLLOW = "following the configuration"

_log = logging.getLogger("packyproxy")


class Runtime:
    """What the components of one proxy share.

    Args:
        config: a path to config.yaml, or None to look for it in the usual places; either is followed: a
            change applies within a second. Under the file lie the environment (``PACKYCODE_*``) and the
            files of the Codex CLI. A :class:`Config`, or a mapping in the file's shape, counts as it is.
        authorize: lets requests in, in addition to the client keys of the configuration, if it has any.
        on_route: told who is asked for a request.
        on_usage: told what a request came to.
        client: your own ``httpx.AsyncClient`` for upstream calls; you close it, and see to it that it can
            be used on every event loop that serves requests.
        transport: your own httpx transport for upstream calls; likewise.
        store: keeps what workers share; in this process's memory by default.

    Raises:
        ConfigError: with every problem found in the configuration.
        TypeError: a hook, the client or the transport cannot be used as one; or there are both of the latter.
    """

    version = __version__

    def __init__(
        self,
        config: ConfigSource = None,
        *,
        authorize: Authorize | None = None,
        on_route: OnRoute | None = None,
        on_usage: OnUsage | None = None,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        store: Store | None = None,
    ) -> None:
        _check_way(client, transport)
        config = _origin(config)
        self.hooks = Hooks(authorize=authorize, on_route=on_route, on_usage=on_usage)
        self.audit = Audit(now=self.now)
        self._reloader: Reloader | None = None
        if isinstance(config, ConfigFile):
            self._reloader = Reloader(config, self.apply, self.audit)
        self._swapping = threading.Lock()
        self._snapshot = Snapshot.build(config if isinstance(config, Config) else config.loaded.config)
        self._served = self._snapshot.config
        self.editor = ConfigEditor(self._text(config))
        self._beginning = threading.Lock()
        self._has_begun = False
        self._number = 1
        self.started_at = self._applied_at = self.now()
        self._listeners: list[Callable[[Config], None]] = []
        self._entries = Entries()
        self._background = Background(self._duties())
        wrappers: list[WrapTransport] = []
        self.transport_wrappers = wrappers
        """Put around the transport to every upstream that is asked from then on."""
        self._pools = LoopPools(
            lambda url: Upstream(client=client, transport=transport, proxy_url=url, wrappers=wrappers)
        )
        self._discovered: Mapping[str, tuple[str, ...]] = {}
        self.store = store or MemoryStore(clock=self.now)
        self.management_key = ManagementKey(
            self._in_force, None if self._reloader is None else self.editor.change, self.audit
        )
        self.routing = Routing(self.store, now=self.now, audit=self.audit)
        self.recorder = Recorder(now=self.now)
        self.learned = Learned()
        self.token_scales = ScaleFactors()

    @property
    def snapshot(self) -> Snapshot:
        """The configuration in force and what follows from it."""
        return self._snapshot

    @property
    def reload_state(self) -> ReloadState:
        """Which configuration is in force, and how the files stand to it."""
        reloader = self._reloader
        return ReloadState(
            number=self._number,
            applied_at=self._applied_at,
            source=self._snapshot.config.source,
            on_disk=None if reloader is None else reloader.on_disk,
            last_error=None if reloader is None else reloader.last_error,
        )

    @property
    def has_lifespan(self) -> bool:
        """Whether somebody has entered this runtime, on whichever event loop."""
        return bool(self._entries.loops())

    @property
    def provider_notes(self) -> ProviderNotebook:
        """What happened lately at each provider."""
        return self.recorder.providers()

    def monotonic(self) -> float:
        """Return the event loop's time in seconds: the clock of every deadline."""
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        """Return Unix seconds: the clock of reset times."""
        return time.time()

    def apply(self, config: Config) -> tuple[Change, ...]:
        """Bring a valid configuration into force for all requests to come; log and return what it changes.

        Requests that are being served keep the snapshot they began with. A configuration equal to the one in
        force changes nothing. May be called on any thread.
        """
        with self._swapping:
            before = self._snapshot.config
            if config == before:
                return ()
            known = {provider.id for provider in self._snapshot.providers.values()}
            self._snapshot = Snapshot.build(config, self._discovered)
            self.routing.restore(
                provider for provider in self._snapshot.providers.values() if provider.id not in known
            )
            self._number += 1
            self._applied_at = self.now()
            found = changes(before, config, served=self._served)
            self.audit.config_changed(found, source=config.source, number=self._number)
            self.audit.providers_switched(before, config)
            self.audit.models_registered(self._snapshot.registry)
        for listener in tuple(self._listeners):
            try:
                listener(config)
            except Exception as error:  # noqa: BLE001 - the configuration is in force all the same
                _log_listener_failed(error)
        return found

    def set_discovered(self, discovered: Mapping[str, tuple[str, ...]]) -> None:
        """Let the registry know which models the providers list themselves, by the provider's name."""
        with self._swapping:
            if discovered != self._discovered:
                self._discovered = discovered
                known = self._snapshot.registry
                self._snapshot = Snapshot.build(self._snapshot.config, discovered)
                self.audit.models_registered(self._snapshot.registry, known=known)

    async def reload(self) -> tuple[Change, ...]:
        """Read the configuration's files now and apply them; nothing happens without files.

        Raises:
            ConfigError: with every problem; the configuration in force stays.
        """
        return () if self._reloader is None else await asyncio.to_thread(self._reloader.reload)

    async def catch_up(self) -> None:
        """Let a request see the latest configuration; free where a background task follows the files."""
        if not self._has_begun and self._begin() and not self.has_lifespan:
            _log_no_lifespan(self._snapshot.config)
        if self._reloader is not None and not self._background.is_running(_FOLLOW):
            await self._reloader.catch_up()

    def listen(self, listener: Callable[[Config], None]) -> Callable[[], None]:
        """Call ``listener`` with each configuration that comes into force, on any thread.

        Returns:
            What ends that.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def upstream(self, provider: Provider) -> Upstream:
        """Return the connections to a provider on the running loop, made at the first request."""
        pools = self._pools.here()
        pools.serve(self._snapshot.providers)
        return pools.upstream(provider)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a proxy cannot be copied or sent to another process: make one there, of the same configuration"
        )

    async def __aenter__(self) -> Self:
        if not self._has_begun:
            self._begin()
        await self.management_key.protect()
        self._entries.enter()
        self._background.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._entries.leave():
            return
        # Each step is made whatever becomes of those before: whoever stops may be cancelled meanwhile.
        try:
            await self._background.stop()
        finally:
            self._hand_over()
            try:
                await self.aclose()
            finally:
                self.recorder.catch_up()

    async def aclose(self) -> None:
        """Close the running loop's connections; a later request opens new ones."""
        await self._pools.aclose_here()

    @asynccontextmanager
    async def running(self, _host: object = None) -> AsyncIterator[None]:
        """Run for the length of an ``async with`` block; FastAPI and Starlette take this as ``lifespan=``."""
        async with self:
            yield

    def _begin(self) -> bool:
        """Say what is served, when the first lifespan begins or the first request comes; tell who did it."""
        with self._beginning:
            is_first, self._has_begun = not self._has_begun, True
        if is_first:
            self.audit.models_registered(self._snapshot.registry)
        return is_first

    def _hand_over(self) -> None:
        """Let the loops that are still inside go on with what this one has done in the background."""
        for loop in self._entries.loops():
            with suppress(RuntimeError):  # it has closed since
                loop.call_soon_threadsafe(self._take_over, loop)

    def _take_over(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._entries.has_entered(loop):
            self._background.start()

    def _in_force(self) -> Config:
        return self._snapshot.config

    def _text(self, config: Config | ConfigFile) -> FileText | MemoryText:
        if self._reloader is None or isinstance(config, Config):
            return MemoryText(self._in_force, self.apply)
        return FileText(config, self._reloader, self._in_force)

    def _duties(self) -> dict[str, Callable[[], Coroutine[None, None, None]]]:
        duties: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            "health checks": partial(run_health_checks, self),
            "discovery": partial(run_discovery, self),
        }
        if self._reloader is not None:
            duties[_FOLLOW] = self._reloader.follow
            duties["hashing the management key"] = partial(follow_management_key, self)
        return duties


def _origin(config: ConfigSource) -> Config | ConfigFile:
    if isinstance(config, Config | ConfigFile):
        return config
    if isinstance(config, Mapping):
        return config_from_mapping(config)
    return ConfigFile(None if config is None else fspath(config))


def _check_way(client: object, transport: object) -> None:
    """Refuse a way to the upstreams on which every request could only fail."""
    if client is not None and transport is not None:
        raise TypeError("there may be a client or a transport, not both: a client has a transport of its own")
    ways = (("client", client, httpx.AsyncClient), ("transport", transport, httpx.AsyncBaseTransport))
    for name, way, wanted in ways:
        if way is not None and not isinstance(way, wanted):
            library = type(way).__module__.partition(".")[0]
            raise TypeError(
                f"{name} must be an httpx.{wanted.__name__}, not a {library}.{type(way).__name__}"
            )


def _log_listener_failed(error: Exception) -> None:
    """Log that somebody who wanted to hear of the configuration could not take it; only the error's type."""
    _log.error(
        "internal error: a listener failed with %s",
        type(error).__name__,
        extra={"event": "internal_error", "error": type(error).__name__},
    )


def _log_no_lifespan(config: Config) -> None:
    """Log what the host has left out, and what mends it; a warning where something wanted does not run."""
    is_missed = config.health_check.enabled or config.discover_models
    _log.log(
        logging.WARNING if is_missed else logging.INFO,
        "packyproxy starts with a request, for no lifespan has started it%s: pass lifespan=proxy.lifespan to "
        "the host, write async with proxy, or use PackyProxyMiddleware",
        ", and neither health checks nor discovery run" if is_missed else "",
        extra={"event": "no_lifespan"},
    )
