"""Say what a requested name means: who serves it, as which model, at which effort (wire-mapping 10.4, 10.5).

Total and explained: every name gives a :class:`Resolution` with its reasons, or one of our errors. The steps
are those of the table in 10.4; within a step the providers are asked in their order.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from packyproxy.errors import InvalidRequest, NoProvider
from packyproxy.registry.registry import Glob, Model, ProviderModels, Registry, describe_model
from packyproxy.translate.effort import split_effort_suffix

__all__ = ["Resolution", "resolve", "unknown_model"]

_CONTEXT_SUFFIX: Final = "[1m]"
_FAMILY_PREFIXES: Final = ("anthropic-", "anthropic/", "openai/")
_SMALL_GLOBS: Final = (Glob("claude-*haiku*"), Glob("haiku"))
_MAIN_GLOBS: Final = (Glob("claude-*"), Glob("opus"), Glob("sonnet"), Glob("default"))
_SMALL_EFFORT: Final = "low"
_LONGEST_NAME: Final = 256
_LONGEST_QUOTE: Final = 128
_NEAREST: Final = 3


class Resolution(Struct, frozen=True, kw_only=True):
    """What a requested name stands for."""

    requested: str
    """As the client sent it; echoed in the answer."""
    provider: str
    model: str
    """The upstream's id."""
    suffix_effort: str | None = None
    """Effort in the requested name; beats every other source (wire-mapping 1.6 row 1)."""
    default_effort: str | None = None
    """Effort of the alias, of the map or of the provider's defaults (wire-mapping 1.6 row 6)."""
    efforts: tuple[str, ...]
    """Values of ``reasoning.effort`` the model takes, weakest first."""
    context_window: int
    reasons: tuple[str, ...]
    """How the name was read, step by step."""


class _Hit(Struct, frozen=True):
    provider: ProviderModels
    model: Model
    reasons: tuple[str, ...]
    suffix_effort: str | None = None
    default_effort: str | None = None


_Step = Callable[[ProviderModels, str], _Hit | None]


def resolve(requested: str, registry: Registry) -> Resolution:
    """Resolve a model name; deterministic.

    Raises:
        InvalidRequest: 404 ``model_not_found``: no provider here serves such a model; names the nearest ones.
        NoProvider: no provider is enabled at all.
    """
    if not registry.providers:
        raise NoProvider
    name = requested.strip()
    if name.lower().endswith(_CONTEXT_SUFFIX):
        name = name[: -len(_CONTEXT_SUFFIX)].rstrip()
    hit = _find(name, registry) if _is_sendable(name) else None
    if hit is None:
        raise unknown_model(requested, registry)
    return Resolution(
        requested=requested,
        provider=hit.provider.name,
        model=hit.model.id,
        suffix_effort=hit.suffix_effort,
        default_effort=hit.default_effort or hit.provider.defaults.effort,
        efforts=hit.model.efforts,
        context_window=hit.model.context_window,
        reasons=hit.reasons,
    )


def unknown_model(requested: str, registry: Registry, reason: str = "is not known here") -> InvalidRequest:
    """Return the refusal of a name, with the nearest names that would do."""
    quote = "".join(character for character in requested[:_LONGEST_QUOTE] if character.isprintable()) or '""'
    names = [model.id for model in registry.models()] + [alias.name for alias in registry.aliases()]
    nearest = difflib.get_close_matches(quote.lower(), names, n=_NEAREST, cutoff=0.4) or names[:_NEAREST]
    hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
    return InvalidRequest(
        f"{quote} {reason}{hint} (GET /v1/models lists all)",
        field="model",
        status=404,
        code="model_not_found",
    )


def _is_sendable(name: str) -> bool:
    """Tell whether a name may be an id: it will travel in headers and logs."""
    return 0 < len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable() and " " not in name


def _find(name: str, registry: Registry) -> _Hit | None:
    """Apply rows 2 to 7."""
    if hit := _ask(registry.providers, (_by_id,), name):
        return hit
    pin, slash, rest = name.partition("/")
    pinned = [provider for provider in registry.providers if slash and provider.name.lower() == pin.lower()]
    if pinned:
        hit = _find_among(pinned, rest, registry) if rest else None
        return hit and _because(f"{pin}/ pins the provider", hit)
    return _find_among(registry.providers, name, registry)


def _find_among(providers: Sequence[ProviderModels], name: str, registry: Registry) -> _Hit | None:
    return (
        _ask(providers, _KNOWN, name)
        or _by_map(providers, name, registry)
        or _ask(providers, (_admitted,), name)
    )


def _ask(providers: Sequence[ProviderModels], steps: Sequence[_Step], name: str) -> _Hit | None:
    for step in steps:
        for provider in providers:
            if hit := step(provider, name):
                return hit
    return None


def _by_id(provider: ProviderModels, name: str) -> _Hit | None:
    model = provider.models.get(name.lower())
    return None if model is None else _Hit(provider, model, (f"{model.id} is a model of {provider.name}",))


def _by_alias(provider: ProviderModels, name: str) -> _Hit | None:
    alias = provider.aliases.get(name.lower())
    if alias is None:
        return None
    at = f" at effort {alias.effort}" if alias.effort else ""
    reason = f"{alias.name} is an alias of {alias.model.id}{at} at {provider.name}"
    return _Hit(provider, alias.model, (reason,), default_effort=alias.effort)


def _by_prefix(provider: ProviderModels, name: str) -> _Hit | None:
    for prefix in _FAMILY_PREFIXES:
        if name.lower().startswith(prefix):
            rest = name[len(prefix) :]
            if hit := _by_id(provider, rest) or _by_alias(provider, rest):
                return _because(f"{prefix} is a prefix", hit)
    return None


def _by_suffix(provider: ProviderModels, name: str) -> _Hit | None:
    base, effort = split_effort_suffix(name)
    if effort is None:
        return None
    hit = _by_id(provider, base) or _by_alias(provider, base) or _by_prefix(provider, base)
    return hit and _at_effort(effort, hit)


def _admitted(provider: ProviderModels, name: str) -> _Hit | None:
    base, effort = split_effort_suffix(name)
    model = provider.admit(base)
    if model is None:
        return None
    hit = _Hit(provider, model, (f"{provider.name} takes ids that are not listed",))
    return hit if effort is None else _at_effort(effort, hit)


_KNOWN: Final[tuple[_Step, ...]] = (_by_id, _by_alias, _by_prefix, _by_suffix)


def _by_map(providers: Sequence[ProviderModels], name: str, registry: Registry) -> _Hit | None:
    """Apply row 6: the operator's globs, then the built-in ones with the first provider's defaults.

    An effort suffix is kept when its base matches as well: ``opus-low`` is what ``opus`` is, at low.
    """
    base, effort = split_effort_suffix(name)
    for glob, target in registry.model_map:
        if not (glob.matches(name) or glob.matches(base)):
            continue
        hit = _by_target(providers, target)
        if hit is None:
            raise unknown_model(
                name, registry, f"is mapped by model-map to {target}, which no provider here serves"
            )
        hit = _because(f"model-map maps {glob.text} to {target}", hit)
        return hit if effort is None or not glob.matches(base) else _at_effort(effort, hit)
    hit = _by_defaults(providers[0], base)
    if hit is not None and effort is not None:
        return _at_effort(effort, hit)
    return hit or _by_defaults(providers[0], name)


def _by_defaults(provider: ProviderModels, name: str) -> _Hit | None:
    defaults = provider.defaults
    is_small = any(glob.matches(name) for glob in _SMALL_GLOBS)
    if not is_small and not any(glob.matches(name) for glob in _MAIN_GLOBS):
        return None
    target = (defaults.small_model if is_small else None) or defaults.model
    hit = _by_target((provider,), target)
    if hit is None:
        # An operator's default is sent even where the models list forgets it: refusing every Claude name is
        # worse.
        model_id, effort = split_effort_suffix(target)
        hit = _Hit(provider, describe_model(model_id), ("it is not in the models list",), None, effort)
    key = "defaults.small-model" if is_small and defaults.small_model else "defaults.model"
    hit = _because(f"{key} of {provider.name} is {target}", hit)
    if is_small and defaults.small_model is None:
        return _with_default(_SMALL_EFFORT, hit)
    return hit


def _by_target(providers: Sequence[ProviderModels], target: str) -> _Hit | None:
    """Resolve what the operator wrote as a target; an effort in it is a default, not a demand."""
    pin, slash, rest = target.partition("/")
    pinned = [provider for provider in providers if slash and provider.name.lower() == pin.lower()]
    if pinned and not _ask(providers, (_by_id,), target):
        providers, target = pinned, rest
    hit = _ask(providers, (*_KNOWN, _admitted), target)
    return hit and _with_default(hit.suffix_effort or hit.default_effort, hit)


def _because(reason: str, hit: _Hit) -> _Hit:
    return _Hit(hit.provider, hit.model, (reason, *hit.reasons), hit.suffix_effort, hit.default_effort)


def _at_effort(effort: str, hit: _Hit) -> _Hit:
    return _Hit(
        hit.provider, hit.model, (f"suffix: effort {effort}", *hit.reasons), effort, hit.default_effort
    )


def _with_default(effort: str | None, hit: _Hit) -> _Hit:
    return _Hit(hit.provider, hit.model, hit.reasons, None, effort)
