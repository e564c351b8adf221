"""``packyproxy run -- PROGRAM``: a private proxy for one program, which ends with it.

The server listens on a free loopback port with a client key of its own, and only the program is told of both:
by the variables that clients read, the Codex CLI by its options.
The terminal is the program's: its streams are inherited, Ctrl-C reaches it directly, and its exit code is
ours.
"""

import asyncio
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.logs import configure_logging
from packyproxy.cli.server import Stop, bind, run_in_loop, serve_app, server_url
from packyproxy.config import Config, Secret
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.upstream import WrapTransport

__all__ = ["child_command", "child_environment", "run"]

_KEY_BYTES: Final = 32
_GRACE_SECONDS: Final = 1.0
"""Nobody is left to read what the program did not wait for."""
_KILL_AFTER_SECONDS: Final = 5.0
_FORWARDED: Final = ("SIGTERM", "SIGHUP")
_FROM_THE_TERMINAL: Final = ("SIGINT", "SIGQUIT")
"""A terminal sends these to the program as well. Names, since Windows has not all of them."""
_BY_SIGNAL: Final = 128
"""Shells add the number of the signal that ended a program to this."""
_OTHER_KEYS: Final = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
"""Clients prefer these to the token, or ask their user which one to take."""
_OTHER_WAYS: Final = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
"""With one of these Claude Code does not look at its base URL."""
_KEY_VARIABLE: Final = "OPENAI_API_KEY"
_CODEX: Final = "codex"
_PROVIDER: Final = "packyproxy"


def run(path: str | None, command: Sequence[str], *, wrappers: Sequence[WrapTransport] = ()) -> int:
    """Run a program against a proxy of its own; returns the program's exit code, or 128 and its signal.

    The configuration file is followed while the program runs; its ``host``, ``port`` and ``api-keys`` do not
    count.

    Args:
        path: of the configuration, None to look for it.
        command: the program and its arguments.
        wrappers: put around the transport to every upstream.

    Raises:
        ConfigError: the configuration cannot be used.
        CommandFailed: no provider is enabled, or the program cannot be started, as on Windows, where a child
            is not told of signals.
    """
    if sys.platform == "win32":
        raise CommandFailed("no program can be run so on Windows: use WSL, or packyproxy serve beside it")
    key = secrets.token_urlsafe(_KEY_BYTES)
    file = ConfigFile(path, amend=lambda config: replace(config, api_keys=(Secret(key),)))
    config = file.loaded.config
    if not config.enabled_providers:
        raise CommandFailed("no provider is enabled: packyproxy check says what to set")
    program = shutil.which(command[0])
    if program is None and Path(command[0]).exists():
        raise CommandFailed(f"{command[0]} is there, but is no program that you may run: see its permissions")
    if program is None:
        raise CommandFailed(f"there is no program {command[0]!r}: is it installed, and on your PATH?")
    _log_warnings(config)
    if file.loaded.path is None:
        print(f"packyproxy: no configuration file: settings are from {config.source}", file=sys.stderr)
    listener = bind("127.0.0.1", 0)
    environment = child_environment(os.environ, server_url(listener), key)
    child = child_command((program, *command[1:]), server_url(listener))
    return run_in_loop(lambda: _serve_child(file, listener, child, environment, wrappers))


def child_command(command: Sequence[str], url: str) -> tuple[str, ...]:
    """Return the command line; the Codex CLI gets options before its own, for no variable leads it anywhere.

    Args:
        command: the program and its arguments.
        url: of the proxy.
    """
    program, *arguments = command
    if Path(program).stem != _CODEX:
        return tuple(command)
    provider = f'{{name="{_PROVIDER}",base_url="{url}/v1",wire_api="responses",env_key="{_KEY_VARIABLE}"}}'
    settings = (f'model_provider="{_PROVIDER}"', f"model_providers.{_PROVIDER}={provider}")
    return (program, *(word for setting in settings for word in ("--config", setting)), *arguments)


def child_environment(ambient: Mapping[str, str], url: str, key: str) -> dict[str, str]:
    """Return the environment in which Anthropic's and OpenAI's clients find the proxy, and nothing else.

    Args:
        ambient: our own environment; everything in it that leads elsewhere is left out.
        url: of the proxy.
        key: that the proxy asks for.
    """
    environment = {name: value for name, value in ambient.items() if name not in {*_OTHER_KEYS, *_OTHER_WAYS}}
    environment |= {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "OPENAI_BASE_URL": f"{url}/v1",
        _KEY_VARIABLE: key,
    }
    # An HTTP proxy on the way out must not be asked for what is on this machine.
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in ambient.get(name, "").split(",") if host.strip()]
        environment[name] = ",".join([*hosts, "127.0.0.1"])
    return environment


def _log_warnings(config: Config) -> None:
    """Log what is wrong and nothing else: the program's output is what the user wants to see."""
    configure_logging(config.log_format, debug=False)
    logging.getLogger("packyproxy").setLevel(logging.WARNING)


async def _serve_child(
    file: ConfigFile,
    listener: socket.socket,
    command: Sequence[str],
    environment: Mapping[str, str],
    wrappers: Sequence[WrapTransport],
) -> int:
    from packyproxy.app import PackyProxy

    stop = Stop()
    proxy = PackyProxy(file)
    proxy.runtime.transport_wrappers.extend(wrappers)
    async with proxy:
        server = asyncio.create_task(serve_app(proxy, listener, stop, grace_seconds=_GRACE_SECONDS))
        try:
            child = await _start(command, environment)
            return await _wait_for(child, server)
        finally:
            stop.ask()
            await server


async def _start(command: Sequence[str], environment: Mapping[str, str]) -> Process:
    try:
        child = await asyncio.create_subprocess_exec(*command, env=environment)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CommandFailed(f"cannot run {command[0]}: {reason}") from error
    loop = asyncio.get_running_loop()
    for number in map(signal.Signals.__getitem__, _FORWARDED):
        loop.add_signal_handler(number, _send, child, number)
    for number in map(signal.Signals.__getitem__, _FROM_THE_TERMINAL):
        loop.add_signal_handler(number, _leave_it_to_the_child)
    return child


async def _wait_for(child: Process, server: asyncio.Task[None]) -> int:
    """Wait for the child's end; a server that ends before it takes the child with it."""
    ending = asyncio.create_task(child.wait())
    await asyncio.wait({ending, server}, return_when=asyncio.FIRST_COMPLETED)
    if not ending.done():
        _send(child, signal.SIGTERM)
        await asyncio.wait({ending}, timeout=_KILL_AFTER_SECONDS)
        if not ending.done():
            _send(child, signal.SIGKILL)
    code = await ending
    return code if code >= 0 else _BY_SIGNAL - code


def _send(child: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has ended already
        child.send_signal(number)


def _leave_it_to_the_child() -> None:
    """Go on: an ignored signal would be ignored by the child as well, so this must be a handler."""
