"""What a valid configuration says although its author hardly means it.

Warnings have the form of problems, ``path: what is wrong: how to mend it``, and forbid nothing.
"""

import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from packyproxy.cli.oversight import INSTALL_METRICS, can_write_metrics, has_plain_key, management_keys
from packyproxy.config import Config
from packyproxy.config.rules import is_own_address
from packyproxy.errors import InvalidRequest, Problem
from packyproxy.registry.provider_models import ProviderModels
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import resolve
from packyproxy.translate.effort import split_effort_suffix

__all__ = ["oversight_warnings", "warnings"]

_SHORTEST_MANAGEMENT_KEY: Final = 16
_PLACEHOLDER: Final = re.compile(r"\.\.\.|[<>*]|xxxx|your[-_]", re.IGNORECASE)


def warnings(config: Config, registry: Registry, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return every warning.

    Args:
        config: a valid configuration.
        registry: that of the configuration.
        environment: of this process.
    """
    return (
        *_nobody_serves(config),
        *_is_open(config),
        *_ask_themselves(config),
        *_placeholder_keys(config),
        *_readable_by_others(config),
        *_unlisted_defaults(config),
        *_idle_weights(config),
        *_unserved_targets(config, registry),
        *oversight_warnings(config, environment),
    )


def oversight_warnings(config: Config, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return those about the management API and metrics, which ``serve`` shows too."""
    return (
        *_closed_management(config, environment),
        *_guessable_management_key(config),
        *_missing_metrics(config),
    )


def _nobody_serves(config: Config) -> Iterator[Problem]:
    if not config.enabled_providers:
        places = [f"{place}.enabled" for place, _ in config.places] or ["packycode.enabled"]
        yield Problem(
            field="",
            code="none_enabled",
            message="no provider is enabled, so no request can be served and /readyz answers 503",
            fix=f"set {' or '.join(places)} to true",
        )


def _is_open(config: Config) -> Iterator[Problem]:
    from packyproxy.cli.server import is_loopback

    if not (config.api_keys or is_loopback(config.host)):
        yield Problem(
            field="api-keys",
            code="open_to_others",
            message=f"none is configured, and {config.host} can be reached from other machines",
            fix="add at least one; without, serve refuses to start unless it is given --allow-open",
        )


def _ask_themselves(config: Config) -> Iterator[Problem]:
    for place, provider in config.places:
        if provider.enabled and is_own_address(provider.base_url, config.port):
            yield Problem(
                field=f"{place}.base-url",
                code="own_address",
                message=f"port {config.port} of this machine is where the proxy itself listens",
                fix="set the provider's own address, or another port",
            )


def _placeholder_keys(config: Config) -> Iterator[Problem]:
    for place, provider in config.places:
        key = provider.api_key.reveal() if provider.enabled and provider.api_key else ""
        path = f"{place}.{'credentials.openai-api-key' if provider.kind == 'packycode' else 'api-key'}"
        if key.startswith("$"):
            yield Problem(
                field=path,
                code="not_expanded",
                message="looks like a variable, and none is replaced in this file",
                fix="write the key itself"
                + (", or remove the line and set $PACKYCODE_API_KEY" if provider.kind == "packycode" else ""),
            )
        elif _PLACEHOLDER.search(key):
            yield Problem(
                field=path,
                code="placeholder",
                message="looks like the placeholder of an example",
                fix="write the key that you got from the provider",
            )


def _readable_by_others(config: Config) -> Iterator[Problem]:
    """Warn of keys in a file that everybody on this machine may read; ``init`` writes none such."""
    keys = [provider.api_key for provider in config.providers if provider.effective_source == "config.yaml"]
    mode = 0
    with suppress(OSError, ValueError):  # what has no file has other sources
        mode = Path(config.source).stat().st_mode
    if mode & stat.S_IROTH and os.name == "posix" and (any(keys) or config.api_keys):
        yield Problem(
            field="",
            code="readable_by_others",
            message="holds keys, and every user of this machine may read it",
            fix=f"chmod 600 {shlex.quote(config.source)}",
        )


def _unlisted_defaults(config: Config) -> Iterator[Problem]:
    for place, provider in config.places:
        if not provider.enabled:
            continue
        models = ProviderModels.build(provider)
        named = (("model", provider.defaults.model), ("small-model", provider.defaults.small_model))
        for key, target in named:
            if target is not None and not _lists(models, target):
                where = "no model known here" if models.takes_any else "not in the models list"
                yield Problem(
                    field=f"{place}.defaults.{key}",
                    code="unlisted_model",
                    message=f"{target} is {where}; it is sent upstream as it is",
                    fix="correct it, or list it under models if this provider has it",
                )


def _idle_weights(config: Config) -> Iterator[Problem]:
    if config.routing.strategy == "weighted-round-robin":
        return
    for place, provider in config.places:
        if provider.weight != 1:
            yield Problem(
                field=f"{place}.weight",
                code="no_effect",
                message=f"has no effect with routing.strategy {config.routing.strategy}",
                fix="set that to weighted-round-robin, or remove this line",
            )


def _unserved_targets(config: Config, registry: Registry) -> Iterator[Problem]:
    for glob, target in config.model_map if registry.providers else ():
        try:
            resolve(target, registry)
        except InvalidRequest:
            yield Problem(
                field=f"model-map.{glob}",
                code="unserved_model",
                message=f"no enabled provider serves {target}, so what the pattern matches gets a 404",
                fix="name one of those that packyproxy models lists",
            )


def _closed_management(config: Config, environment: Mapping[str, str]) -> Iterator[Problem]:
    if config.remote_management.allow_remote and not management_keys(config, environment):
        yield Problem(
            field="remote-management.allow-remote",
            code="no_effect",
            message="has no effect: without a key there is no management API",
            fix="set remote-management.secret-key, or remove this line",
        )


def _guessable_management_key(config: Config) -> Iterator[Problem]:
    key = config.remote_management.secret_key
    if key is None or not has_plain_key(config):
        return
    if key in config.api_keys:
        yield Problem(
            field="remote-management.secret-key",
            code="shared_key",
            message="is one of the api-keys, so every client may change this configuration",
            fix="use a key of its own",
        )
    elif len(key.reveal()) < _SHORTEST_MANAGEMENT_KEY:
        yield Problem(
            field="remote-management.secret-key",
            code="weak_key",
            message=f"is shorter than {_SHORTEST_MANAGEMENT_KEY} characters, so it may be guessed",
            fix="use a random one, as from: openssl rand -hex 24",
        )


def _missing_metrics(config: Config) -> Iterator[Problem]:
    if config.metrics and not can_write_metrics():
        yield Problem(
            field="metrics",
            code="not_installed",
            message="is on, but prometheus_client is not installed",
            fix=INSTALL_METRICS,
        )


def _lists(models: ProviderModels, target: str) -> bool:
    name = target.lower().removeprefix(f"{models.name.lower()}/")
    return any(
        known in models.models or known in models.aliases for known in (name, split_effort_suffix(name)[0])
    )
