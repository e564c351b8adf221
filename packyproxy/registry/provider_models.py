"""What one provider serves: its models, their aliases, and the ids it takes beyond them; immutable.

Ids are kept, and sent upstream, as configured or as the catalogue spells them. An item of a ``models`` list
with aliases whose id ends in an effort (``gpt-5-high``) and whose base is a known model stands for that
model: its aliases carry the effort. Without aliases such an id is taken literally.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Self

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.config.schema import DEFAULT_CONTEXT_WINDOW, Defaults, ModelConfig, ProviderConfig
from packyproxy.registry.catalogue import CATALOGUE, UNKNOWN_CREATED
from packyproxy.registry.names import Glob
from packyproxy.translate.effort import allowed_efforts, split_effort_suffix

__all__ = ["Alias", "Model", "ProviderModels", "describe_model"]

_CATALOGUE: Final = {model.id: model for model in CATALOGUE}
_WHOLE_CATALOGUE: Final = tuple(ModelConfig(id=model.id) for model in CATALOGUE)
_GLOB_CHARACTERS: Final = frozenset("*?")


class Model(Struct, frozen=True, kw_only=True):
    """A model as one provider serves it."""

    id: str
    efforts: tuple[str, ...]
    """Allowed values of ``reasoning.effort``, weakest first."""
    context_window: int
    created: int
    """Unix seconds."""


class Alias(Struct, frozen=True, kw_only=True):
    """Another name for a model, perhaps at an effort."""

    name: str
    model: Model
    effort: str | None = None


class ProviderModels(Struct, frozen=True, kw_only=True):
    """What one provider serves."""

    name: str
    defaults: Defaults
    models: Mapping[str, Model]
    """By id in lower case, in the order they are listed; discovered ones come last."""
    aliases: Mapping[str, Alias]
    """By name in lower case."""
    globs: tuple[tuple[Glob, ModelConfig], ...] = ()
    """Patterns of the ``models`` list, which admit ids beyond the listed ones."""
    takes_any: bool = False
    """There is no ``models`` list: any id is passed on."""

    @classmethod
    def build(cls, provider: ProviderConfig) -> Self:
        """Build the models of one provider."""
        items = provider.models if provider.models is not None else _WHOLE_CATALOGUE
        known = {*_CATALOGUE, *(item.id.lower() for item in items)}
        models: dict[str, Model] = {}
        aliases: dict[str, Alias] = {}
        globs: list[tuple[Glob, ModelConfig]] = []
        for item in items:
            if _GLOB_CHARACTERS.intersection(item.id):
                glob = Glob(item.id)
                globs.append((glob, item))
                for model_id in _CATALOGUE:
                    if glob.matches(model_id):
                        models.setdefault(model_id, describe_model(model_id, item))
                continue
            model_id, effort = _target(item, known)
            if effort is None:
                models[model_id.lower()] = describe_model(model_id, item)
            model = models.setdefault(model_id.lower(), describe_model(model_id, item))
            for name in item.aliases:
                aliases[name.lower()] = Alias(name=name, model=model, effort=effort)
        return cls(
            name=provider.name,
            defaults=provider.defaults,
            models=MappingProxyType(models),
            aliases=MappingProxyType(aliases),
            globs=tuple(globs),
            takes_any=provider.models is None,
        )

    def with_models(self, model_ids: Iterable[str]) -> Self:
        """Return these models and those of ``model_ids`` that this provider takes without listing them."""
        if not (self.takes_any or self.globs):
            return self
        models = dict(self.models)
        for model_id in model_ids:
            if model_id.lower() not in models and (model := self.admit(model_id)) is not None:
                models[model_id.lower()] = model
        return replace(self, models=MappingProxyType(models))

    def admit(self, model_id: str) -> Model | None:
        """Return what an unlisted id would be sent as, or None when this provider does not take it."""
        for glob, item in self.globs:
            if glob.matches(model_id):
                return describe_model(model_id, item)
        return describe_model(model_id) if self.takes_any else None


def describe_model(model_id: str, item: ModelConfig | None = None) -> Model:
    """Describe a model by its configuration, then by the catalogue, then by the built-in tables."""
    known = _CATALOGUE.get(model_id.lower())
    context_window = known.context_window if known else DEFAULT_CONTEXT_WINDOW
    return Model(
        id=model_id,
        efforts=(item.efforts if item else None) or allowed_efforts(model_id),
        context_window=(item.context_window if item else None) or context_window,
        created=known.created if known else UNKNOWN_CREATED,
    )


def _target(item: ModelConfig, known: set[str]) -> tuple[str, str | None]:
    """Split the id of an item into the model it stands for and the effort that its aliases carry."""
    base, effort = split_effort_suffix(item.id)
    if item.aliases and effort is not None and item.id.lower() not in _CATALOGUE and base.lower() in known:
        return base, effort
    return item.id, None
