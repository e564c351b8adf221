"""Write the model lists: OpenAI's shape and Anthropic's (wire-mapping 10.2, 10.3)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct

from packyproxy.errors import InvalidRequest
from packyproxy.registry.catalogue import MAX_OUTPUT_TOKENS
from packyproxy.registry.provider_models import Model, ProviderModels
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import unknown_model
from packyproxy.translate.contract import Family

__all__ = ["ServedModelEntry", "ServedModelList", "list_models", "list_served_models", "show_model"]

_ENCODER: Final = msgspec.json.Encoder()
_OWNER: Final = "openai"
_ANTHROPIC_PREFIX: Final = "anthropic-"
_DEFAULT_LIMIT: Final = 20
_LARGEST_LIMIT: Final = 1000


class _OpenAIModel(Struct, frozen=True):
    id: str
    created: int
    object: Literal["model"] = "model"
    owned_by: str = _OWNER


class _OpenAIList(Struct, frozen=True):
    data: list[_OpenAIModel]
    object: Literal["list"] = "list"


class ServedModelEntry(_OpenAIModel, frozen=True, kw_only=True):
    """One name that clients may ask for, with who serves it."""

    providers: tuple[str, ...]
    """In the order in which they are asked."""


class ServedModelList(Struct, frozen=True, kw_only=True):
    """Every name that clients may ask for, as OpenAI lists models."""

    data: tuple[ServedModelEntry, ...]
    object: Literal["list"] = "list"


class _AnthropicModel(Struct, frozen=True, tag_field="type", tag="model"):
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"]
    max_input_tokens: int
    max_tokens: int


class _AnthropicList(Struct, frozen=True):
    data: list[_AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


def list_models(registry: Registry, family: Family, query: Mapping[str, str]) -> bytes:
    """Return the JSON body of ``GET /v1/models``; ``query`` pages the Anthropic list, OpenAI's has no pages.

    Raises:
        InvalidRequest: ``limit``, ``after_id`` or ``before_id`` is wrong.
    """
    if family == "openai":
        return _ENCODER.encode(_OpenAIList(_openai_models(registry)))
    return _ENCODER.encode(_page(_anthropic_models(registry), query))


def list_served_models(registry: Registry, *, provider: str | None = None) -> ServedModelList:
    """Return what ``list_models`` lists, each with its providers; ``provider`` leaves out all but its own."""
    names_of = {models.name: _provider_names(models) for models in registry.providers}
    entries = []
    for name, model in _names(registry):
        serving = tuple(known for known, names in names_of.items() if name.lower() in names)
        if provider is None or provider in serving:
            entries.append(ServedModelEntry(name, model.created, providers=serving))
    return ServedModelList(data=tuple(entries))


def show_model(registry: Registry, family: Family, model_id: str) -> bytes:
    """Return the JSON body of ``GET /v1/models/{id}`` for a listed id, whatever its case.

    Raises:
        InvalidRequest: 404, the id is not listed.
    """
    models = _openai_models(registry) if family == "openai" else _anthropic_models(registry)
    for model in models:
        if model.id.lower() == model_id.lower():
            return _ENCODER.encode(model)
    raise unknown_model(model_id, registry)


def _names(registry: Registry) -> list[tuple[str, Model]]:
    """Return every model, each followed by its effort variants, then the aliases; each as it resolves."""
    models = registry.models()
    aliases = registry.aliases()
    taken = {model.id.lower() for model in models} | {alias.name.lower() for alias in aliases}
    names: list[tuple[str, Model]] = []
    for model in models:
        names.append((model.id, model))
        variants = [f"{model.id}-{effort}" for effort in model.efforts]
        names += [(variant, model) for variant in variants if variant.lower() not in taken]
    return names + [(alias.name, alias.model) for alias in aliases]


def _provider_names(provider: ProviderModels) -> frozenset[str]:
    """Return what one provider adds to the names, in lower case."""
    variants = (f"{key}-{effort}" for key, model in provider.models.items() for effort in model.efforts)
    return frozenset((*provider.models, *variants, *provider.aliases))


def _openai_models(registry: Registry) -> list[_OpenAIModel]:
    return [_OpenAIModel(name, model.created) for name, model in _names(registry)]


def _anthropic_models(registry: Registry) -> list[_AnthropicModel]:
    """Return the list for Claude Code, which shows only ids that start with ``claude`` or ``anthropic``."""
    claude = [alias for alias in registry.aliases() if alias.name.lower().startswith("claude")]
    names = _names(registry)
    taken = {name.lower() for name, _ in names}
    prefixed = [(_ANTHROPIC_PREFIX + model.id, model) for model in registry.models()]
    shown = {alias.name for alias in claude}
    return [
        *(_anthropic_model(alias.name, f"{alias.name} → {alias.model.id}", alias.model) for alias in claude),
        *(_anthropic_model(name, model.id, model) for name, model in prefixed if name.lower() not in taken),
        *(_anthropic_model(name, name, model) for name, model in names if name not in shown),
    ]


def _anthropic_model(name: str, display_name: str, model: Model) -> _AnthropicModel:
    created = datetime.fromtimestamp(model.created, UTC)
    return _AnthropicModel(
        id=name,
        display_name=display_name,
        created_at=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        lifecycle="active",
        max_input_tokens=model.context_window,
        max_tokens=MAX_OUTPUT_TOKENS,
    )


def _page(models: list[_AnthropicModel], query: Mapping[str, str]) -> _AnthropicList:
    limit = _limit(query.get("limit", str(_DEFAULT_LIMIT)))
    start, end = 0, len(models)
    if (after := query.get("after_id")) is not None:
        start = _position(models, "after_id", after) + 1
    if (before := query.get("before_id")) is not None:
        end = _position(models, "before_id", before)
    selected = models[start:end]
    is_backward = before is not None and after is None
    page = selected[-limit:] if is_backward else selected[:limit]
    return _AnthropicList(
        data=page,
        has_more=len(selected) > len(page),
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
    )


def _limit(text: str) -> int:
    if (
        text.isascii()
        and text.isdigit()
        and len(text) <= len(str(_LARGEST_LIMIT))
        and 1 <= int(text) <= _LARGEST_LIMIT
    ):
        return int(text)
    raise InvalidRequest(f"must be a whole number from 1 to {_LARGEST_LIMIT}", field="limit")


def _position(models: list[_AnthropicModel], field: str, model_id: str) -> int:
    for index, model in enumerate(models):
        if model.id == model_id:
            return index
    raise InvalidRequest("no model in this list has that id", field=field)
