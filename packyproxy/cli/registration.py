"""``--packycode`` and ``--tppc``: the user expects this source's models, and is told when there are none."""

from typing import Literal

from packyproxy.config import Config
from packyproxy.config.schema import ProviderConfig
from packyproxy.errors import ConfigError, Problem
from packyproxy.registry.registry import Registry

__all__ = ["Kind", "register"]

Kind = Literal["packycode", "tppc"]

_PLACES: dict[Kind, str] = {"packycode": "packycode", "tppc": "tppc.providers"}


def register(config: Config, kinds: tuple[Kind, ...]) -> list[str]:
    """Return, for each kind that was asked for, a line that says which models are registered of it.

    A source that is switched off is no problem: the line says so.

    Raises:
        ConfigError: a source is not configured at all; every such source is listed.
    """
    found: dict[Kind, list[ProviderConfig]] = {
        kind: [provider for provider in config.providers if provider.kind == kind] for kind in kinds
    }
    problems = tuple(_missing(kind) for kind, providers in found.items() if not providers)
    if problems:
        raise ConfigError(problems)
    return [_line(kind, providers, config) for kind, providers in found.items()]


def _missing(kind: Kind) -> Problem:
    return Problem(
        field=_PLACES[kind],
        code="missing",
        message=f"--{kind} asks for its models, but nothing is configured there",
        fix=f"add it (packyproxy init --template {kind} writes a file to start from), or leave --{kind} out",
    )


def _line(kind: Kind, providers: list[ProviderConfig], config: Config) -> str:
    enabled = [provider for provider in config.routing_order if provider.kind == kind]
    disabled = [provider.name or "(unnamed)" for provider in providers if not provider.enabled]
    rest = f"disabled: {', '.join(disabled)}"
    if not enabled:
        return f"{kind}: no model is registered, {rest}; enabled: true brings them in without a restart"
    count = len(Registry.build(enabled, config.model_map).models())
    names = ", ".join(provider.name for provider in enabled)
    registered = "1 model is" if count == 1 else f"{count} models are"
    return f"{kind}: {registered} registered, of {names}" + (f"; {rest}" if disabled else "")
