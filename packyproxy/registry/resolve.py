"""Say what a requested name means: who serves it, as which model, at which effort (wire-mapping 10.4, 10.5).

Total and explained: every name gives a :class:`Resolution` with reasons, or one of our errors. The steps are
those of the table in 10.4. The first step that hits at any provider decides, and every provider it hits at is
a candidate; so a candidate is the same whether its provider is pinned or not.
"""

import difflib
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import InvalidRequest, NoProvider
from packyproxy.registry.names import FAMILY_PREFIXES, MAIN_GLOBS, SMALL_GLOBS, is_sendable
from packyproxy.registry.provider_models import Alias, Model, ProviderModels, describe_model
from packyproxy.registry.registry import Registry
from packyproxy.translate.effort import split_effort_suffix

__all__ = ["Candidate", "Resolution", "resolve", "unknown_model"]

_CONTEXT_SUFFIX: Final = "[1m]"
_SMALL_EFFORT: Final = "low"
_LONGEST_QUOTE: Final = 128
_NEAREST: Final = 3
_MOST_COMPARED: Final = 500
"""Comparing a name with another takes some 5 us, and other requests wait meanwhile."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A provider with the model it would serve a request as."""

    provider: str
    model: str
    """The upstream's id."""
    suffix_effort: str | None = None
    """Effort in the requested name; beats every other source (wire-mapping 1.6 row 1)."""
    default_effort: str | None = None
    """Effort of the alias, of the map or of the provider's defaults (wire-mapping 1.6 row 6)."""
    named_effort: str | None = None
    """The same without the provider's defaults: what goes with the requested name."""
    efforts: tuple[str, ...]
    """Values of ``reasoning.effort`` the model takes, weakest first."""
    context_window: int
    reasons: tuple[str, ...]
    """How the name was read, step by step."""


class Resolution(Struct, frozen=True, kw_only=True):
    """What a requested name stands for."""

    requested: str
    """As the client sent it; echoed in the answer."""
    candidates: tuple[Candidate, ...]
    """At least one; each provider once, in the order of the registry."""
    is_pinned: bool = False
    """The name, or the operator's map, names the provider; no other one may serve it."""


class _Hit(Struct, frozen=True):
    provider: ProviderModels
    model: Model
    reasons: tuple[str, ...]
    suffix_effort: str | None = None
    default_effort: str | None = None


class _Found(Struct, frozen=True):
    hits: Sequence[_Hit]
    is_pinned: bool = False


_Providers = Sequence[ProviderModels]


def resolve(requested: str, registry: Registry) -> Resolution:
    """Resolve a model name; deterministic.

    Raises:
        InvalidRequest: 404 ``model_not_found``: no provider here serves such a model; names the nearest ones.
        NoProvider: no provider is enabled at all.
    """
    if not registry.providers:
        raise NoProvider
    name = requested.strip()
    if has_context_suffix := name.lower().endswith(_CONTEXT_SUFFIX):
        name = name[: -len(_CONTEXT_SUFFIX)].rstrip()
    found = _find(name, registry) if is_sendable(name) else _Found(())
    if not found.hits:
        raise unknown_model(requested, registry)
    hits = _because(f"{_CONTEXT_SUFFIX} is left out", found.hits) if has_context_suffix else found.hits
    return Resolution(requested=requested, candidates=tuple(map(_candidate, hits)), is_pinned=found.is_pinned)


def unknown_model(requested: str, registry: Registry, reason: str = "is not known here") -> InvalidRequest:
    """Return the refusal of a name, with the nearest names that would do."""
    models = (model.id for model in registry.models())
    aliases = (alias.name for alias in registry.aliases())
    return _refusal(requested, reason, chain(models, aliases))


def _refusal(requested: str, reason: str, names: Iterable[str]) -> InvalidRequest:
    quote = "".join(character for character in requested[:_LONGEST_QUOTE] if character.isprintable()) or '""'
    compared = {name.lower(): name for name in islice(names, _MOST_COMPARED)}
    keys = difflib.get_close_matches(quote.lower(), compared, n=_NEAREST, cutoff=0.4)
    nearest = [compared[key] for key in keys or islice(compared, _NEAREST)]
    hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
    return InvalidRequest(
        f"{quote} {reason}{hint} (GET /v1/models lists all)",
        field="model",
        status=404,
        code="model_not_found",
    )


def _candidate(hit: _Hit) -> Candidate:
    return Candidate(
        provider=hit.provider.name,
        model=hit.model.id,
        suffix_effort=hit.suffix_effort,
        default_effort=hit.default_effort or hit.provider.defaults.effort,
        named_effort=hit.default_effort,
        efforts=hit.model.efforts,
        context_window=hit.model.context_window,
        reasons=hit.reasons,
    )


def _find(name: str, registry: Registry) -> _Found:
    """Apply rows 2 to 7."""
    if hits := _listed(registry.providers, name):
        return _Found(hits)
    if (pin := _pin(name, registry)) is not None:
        return _Found(_pinned(pin, name, registry), is_pinned=True)
    return _find_among(registry.providers, name, registry)


def _find_among(providers: _Providers, name: str, registry: Registry, pin: str | None = None) -> _Found:
    if hits := _known(providers, name):
        return _Found(hits)
    if (found := _by_map(providers, name, registry, pin)) is not None:
        return found
    return _Found(_by_builtin_map(providers, name) or _admitted(providers, name))


def _pin(name: str, registry: Registry) -> str | None:
    """Return the provider that a name begins with, in lower case."""
    before, slash, _ = name.partition("/")
    key = before.lower()
    is_provider = slash and (
        key in registry.disabled or any(provider.name.lower() == key for provider in registry.providers)
    )
    return key if is_provider else None


def _pinned(pin: str, name: str, registry: Registry) -> Sequence[_Hit]:
    if pin in registry.disabled:
        raise unknown_model(name, registry, "names a provider that is disabled")
    provider = next(provider for provider in registry.providers if provider.name.lower() == pin)
    rest = name[len(pin) + 1 :]
    hits = _find_among((provider,), rest, registry, pin).hits if rest else ()
    if not hits:
        models = (model.id for model in provider.models.values())
        aliases = (alias.name for alias in provider.aliases.values())
        names = (f"{provider.name}/{other}" for other in chain(models, aliases))
        raise _refusal(name, f"is not served by {provider.name}", names)
    return _because(f"{provider.name}/ pins the provider", hits)


def _known(providers: _Providers, name: str) -> Sequence[_Hit]:
    """Apply rows 2 to 5."""
    return _listed_or_alias(providers, name) or _prefixed(providers, name) or _suffixed(providers, name)


def _listed_or_alias(providers: _Providers, name: str) -> Sequence[_Hit]:
    return _listed(providers, name) or _aliased(providers, name)


def _listed(providers: _Providers, name: str) -> Sequence[_Hit]:
    key = name.lower()
    return [
        _Hit(provider, model, (f"{model.id} is a model of {provider.name}",))
        for provider in providers
        if (model := provider.models.get(key)) is not None
    ]


def _aliased(providers: _Providers, name: str) -> Sequence[_Hit]:
    key = name.lower()
    return [
        _Hit(provider, alias.model, (_alias_reason(alias, provider),), default_effort=alias.effort)
        for provider in providers
        if (alias := provider.aliases.get(key)) is not None
    ]


def _alias_reason(alias: Alias, provider: ProviderModels) -> str:
    at = f" at effort {alias.effort}" if alias.effort else ""
    return f"{alias.name} is an alias of {alias.model.id}{at} at {provider.name}"


def _prefixed(providers: _Providers, name: str) -> Sequence[_Hit]:
    for prefix in FAMILY_PREFIXES:
        if name.lower().startswith(prefix):
            return _because(f"{prefix} is a prefix", _listed_or_alias(providers, name[len(prefix) :]))
    return ()


def _suffixed(providers: _Providers, name: str) -> Sequence[_Hit]:
    base, effort = split_effort_suffix(name)
    if effort is None:
        return ()
    return _at_effort(effort, _listed_or_alias(providers, base) or _prefixed(providers, base))


def _admitted(providers: _Providers, name: str) -> Sequence[_Hit]:
    """Apply row 7."""
    base, effort = split_effort_suffix(name)
    hits = [
        _Hit(provider, model, (f"{provider.name} takes ids that are not listed",))
        for provider in providers
        if (model := provider.admit(base)) is not None
    ]
    return hits if effort is None else _at_effort(effort, hits)


def _by_map(providers: _Providers, name: str, registry: Registry, pin: str | None) -> _Found | None:
    """Apply the operator's globs of row 6; one that leads to another provider does not count for a pin.

    An effort suffix is kept when its base matches as well: ``opus-low`` is what ``opus`` is, at low.
    """
    base, effort = split_effort_suffix(name)
    for glob, target in registry.model_map:
        has_base = glob.matches(base)
        if not (has_base or glob.matches(name)):
            continue
        target_pin = None if _listed(registry.providers, target) else _pin(target, registry)
        if pin is not None and target_pin is not None and target_pin != pin:
            continue
        hits = _by_target(providers, target, target_pin)
        if not hits:
            reason = f"is mapped by model-map to {target}, {_why_unserved(target_pin or pin, registry)}"
            raise unknown_model(name, registry, reason)
        hits = _because(f"model-map maps {glob.text} to {target}", hits)
        if effort is not None and has_base:
            hits = _at_effort(effort, hits)
        return _Found(hits, is_pinned=target_pin is not None)
    return None


def _why_unserved(pin: str | None, registry: Registry) -> str:
    if pin is None:
        return "which no provider here serves"
    return f"which {pin} does not serve" if pin not in registry.disabled else "a provider that is disabled"


def _by_builtin_map(providers: _Providers, name: str) -> Sequence[_Hit]:
    """Apply the built-in globs of row 6, with the defaults of each provider."""
    base, effort = split_effort_suffix(name)
    if (is_small := _stands_for_small(base)) is not None:
        hits = [_by_defaults(provider, is_small=is_small) for provider in providers]
        return hits if effort is None else _at_effort(effort, hits)
    if (is_small := _stands_for_small(name)) is not None:
        return [_by_defaults(provider, is_small=is_small) for provider in providers]
    return ()


def _stands_for_small(name: str) -> bool | None:
    """Tell whether a name stands for the small model; None if it stands for neither default."""
    if any(glob.matches(name) for glob in SMALL_GLOBS):
        return True
    return False if any(glob.matches(name) for glob in MAIN_GLOBS) else None


def _by_defaults(provider: ProviderModels, *, is_small: bool) -> _Hit:
    defaults = provider.defaults
    small = defaults.small_model if is_small else None
    target = small or defaults.model
    own = f"{provider.name}/"
    pin = provider.name.lower() if target.lower().startswith(own.lower()) else None
    hit = next(iter(_by_target((provider,), target, pin)), None)
    if hit is None:
        # An operator's default is sent even where the models list forgets it: refusing every Claude name is
        # worse.
        model_id, effort = split_effort_suffix(target)
        hit = _Hit(provider, describe_model(model_id), ("it is not in the models list",), None, effort)
    if is_small and small is None:
        hit = replace(hit, default_effort=_SMALL_EFFORT)
    key = "defaults.small-model" if small else "defaults.model"
    return replace(hit, reasons=(f"{key} of {provider.name} is {target}", *hit.reasons))


def _by_target(providers: _Providers, target: str, pin: str | None) -> Sequence[_Hit]:
    """Resolve what the operator wrote as a target; an effort in it is a default, not a demand."""
    if pin is not None:
        providers = [provider for provider in providers if provider.name.lower() == pin]
        target = target[len(pin) + 1 :]
    hits = _known(providers, target) or _admitted(providers, target)
    return [
        replace(hit, suffix_effort=None, default_effort=hit.suffix_effort or hit.default_effort)
        for hit in hits
    ]


def _because(reason: str, hits: Sequence[_Hit]) -> Sequence[_Hit]:
    return [replace(hit, reasons=(reason, *hit.reasons)) for hit in hits]


def _at_effort(effort: str, hits: Sequence[_Hit]) -> Sequence[_Hit]:
    hits = [replace(hit, suffix_effort=effort) for hit in hits]
    return _because(f"suffix: effort {effort}", hits)
