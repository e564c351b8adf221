"""``packyproxy demo``: the proxy over the built-in fake upstream, and one answer to look at."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from packyproxy.app import PackyProxy
from packyproxy.cli.banner import claude_code_exports
from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.logs import configure_logging
from packyproxy.cli.server import Stop, bind, run_in_loop, serve_app, server_url
from packyproxy.config import Config, ProviderConfig, Secret, discover_config
from packyproxy.testing import FakeUpstream

__all__ = ["demo"]

_log = logging.getLogger("packyproxy")
_USUAL_PORT: Final = 8317
_KEY: Final = "demo-key"
_SECONDS_BETWEEN_WRITES: Final = 0.03
_GRACE_SECONDS: Final = 5.0
_CLIENT_TIMEOUT_SECONDS: Final = 30.0
_REQUEST: Final = {
    "model": "claude-sonnet-5",
    "max_tokens": 256,
    "stream": True,
    "messages": [{"role": "user", "content": "Hello through packyproxy!"}],
}


def demo(path: str | None = None, *, host: str, port: int | None, once: bool) -> int:
    """Show one streamed answer, then keep serving unless ``once``; returns the exit code.

    Args:
        path: a configuration whose settings, without its providers, are to be tried; None for the defaults.
        host: where to listen.
        port: where to listen; None for the usual port, or any free one.
        once: end after the answer.

    Raises:
        CommandFailed: an address cannot be bound, or the answer did not come to its end.
        ConfigError: the configuration cannot be used.
    """
    settings = Config() if path is None else discover_config(path).config
    configure_logging("console", debug=False)
    _log.setLevel(logging.WARNING)
    upstream_listener = bind("127.0.0.1", 0)
    listener = _bind_proxy(host, port)
    config = replace(settings, providers=(_provider(server_url(upstream_listener)),))
    url = server_url(listener)

    async def main() -> int:
        stop = Stop()
        stop.on_signals(signal.SIGINT, signal.SIGTERM)
        upstream = FakeUpstream(api_key=_KEY, pace=_pause)
        async with PackyProxy(config) as proxy:
            servers = asyncio.gather(
                serve_app(upstream, upstream_listener, stop, grace_seconds=_GRACE_SECONDS),
                serve_app(proxy, listener, stop, grace_seconds=_GRACE_SECONDS),
            )
            key = config.api_keys[0].reveal() if config.api_keys else "any-value"
            is_whole = False
            try:
                is_whole = await asyncio.to_thread(_show_answer, url, key)
            finally:  # also when whoever reads the output has left
                if once or not is_whole:
                    stop.ask()
                    await servers
            if not once and is_whole:
                print(_invitation(config, url), flush=True)
                _log.setLevel(logging.INFO)  # not before: lines among those of the answer would confuse
            await servers
        if not is_whole:
            raise CommandFailed("the answer did not come to its end")
        return 0

    return run_in_loop(main)


def _provider(upstream_url: str) -> ProviderConfig:
    return ProviderConfig(
        kind="packycode",
        name="packycode",
        enabled=True,
        base_url=f"{upstream_url}/v1",
        api_key=Secret(_KEY),
    )


async def _pause(_: int) -> None:
    """Let the answer arrive in visible steps, as a model's does."""
    await asyncio.sleep(_SECONDS_BETWEEN_WRITES)


def _bind_proxy(host: str, port: int | None) -> socket.socket:
    if port is not None:
        return bind(host, port)
    try:
        return bind(host, _USUAL_PORT)
    except CommandFailed:
        return bind(host, 0)


def _show_answer(url: str, key: str) -> bool:
    """Send the request over HTTP, print the answer's events as they arrive, and tell whether it was whole."""
    body = json.dumps(_REQUEST)
    print(f"POST {url}/v1/messages\n{body}\n", flush=True)
    is_whole = False
    try:
        for line in _answer_lines(url, key, body):
            print(line, flush=True)
            is_whole = is_whole or line == "event: message_stop"
    except (OSError, HTTPException) as error:
        print(f"the request to the proxy failed: {type(error).__name__}", flush=True)
        return False
    return is_whole


def _answer_lines(url: str, key: str, body: str) -> Iterator[str]:
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_CLIENT_TIMEOUT_SECONDS)
    try:
        headers = {
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            "x-api-key": key,
        }
        connection.request("POST", "/v1/messages", body, headers)
        response = connection.getresponse()
        yield f"HTTP {response.status}"
        while line := response.readline():
            yield line.decode().rstrip("\n")
    finally:
        connection.close()


def _invitation(config: Config, url: str) -> str:
    return "\n".join(
        [
            "That answer went through the proxy; the upstream is built in. Try it yourself:",
            "",
            f"  curl -N {url}/v1/messages -H 'content-type: application/json' \\",
            f"    -d '{json.dumps(_REQUEST)}'",
            "",
            "or point Claude Code at it, in the shell where it runs:",
            "",
            claude_code_exports(config, url),
            "",
            "Ctrl-C ends the demo.",
        ]
    )
