"""Which models exist here and who serves them; immutable, built from the provider configurations.

Look-ups ignore case; ids are kept, and sent upstream, as configured or as the catalogue spells them. An item
of a ``models`` list with aliases whose id ends in an effort (``gpt-5-high``) and whose base is a known model
stands for that model: its aliases carry the effort. Without aliases such an id is taken literally.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Self

from msgspec import Struct

from packyproxy.config.schema import DEFAULT_CONTEXT_WINDOW, Defaults, ModelConfig, ProviderConfig
from packyproxy.registry.catalogue import CATALOGUE, UNKNOWN_CREATED
from packyproxy.translate.effort import allowed_efforts, split_effort_suffix

__all__ = ["Alias", "Glob", "Model", "ProviderModels", "Registry", "describe_model"]

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


class Glob:
    """A pattern of ``*`` and ``?`` over a whole name, without regard to case."""

    __slots__ = ("_pattern", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # fnmatch makes patterns that cannot backtrack; its bracket sets are no part of ours: names end in
        # "[1m]".
        self._pattern = re.compile(fnmatch.translate(text.replace("[", "[[]")), re.IGNORECASE)

    def matches(self, name: str) -> bool:
        """Tell whether the whole name fits."""
        return self._pattern.match(name) is not None

    def __repr__(self) -> str:
        return f"Glob({self.text!r})"


class ProviderModels(Struct, frozen=True, kw_only=True):
    """What one provider serves."""

    name: str
    defaults: Defaults
    models: Mapping[str, Model]
    """By id in lower case, in the order they are listed."""
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

    def admit(self, model_id: str) -> Model | None:
        """Return what an unlisted id would be sent as, or None when this provider does not take it."""
        for glob, item in self.globs:
            if glob.matches(model_id):
                return describe_model(model_id, item)
        return describe_model(model_id) if self.takes_any else None


class Registry(Struct, frozen=True, kw_only=True):
    """Every model that clients can ask for."""

    providers: tuple[ProviderModels, ...] = ()
    """In the order in which they are asked."""
    model_map: tuple[tuple[Glob, str], ...] = ()
    """The operator's globs and their targets, in the order of the file."""

    @classmethod
    def build(cls, providers: Iterable[ProviderConfig], model_map: Sequence[tuple[str, str]] = ()) -> Self:
        """Build the registry of these providers, which the caller has chosen as enabled."""
        return cls(
            providers=tuple(ProviderModels.build(provider) for provider in providers),
            model_map=tuple((Glob(glob), target) for glob, target in model_map),
        )

    def models(self) -> list[Model]:
        """Return each model once, as its first provider serves it."""
        merged: dict[str, Model] = {}
        for provider in self.providers:
            for key, model in provider.models.items():
                merged.setdefault(key, model)
        return list(merged.values())

    def aliases(self) -> list[Alias]:
        """Return each alias once, as its first provider has it; a model's own id wins over an alias."""
        taken = {key for provider in self.providers for key in provider.models}
        merged: dict[str, Alias] = {}
        for provider in self.providers:
            for key, alias in provider.aliases.items():
                if key not in taken:
                    merged.setdefault(key, alias)
        return list(merged.values())


def _target(item: ModelConfig, known: set[str]) -> tuple[str, str | None]:
    """Split the id of an item into the model it stands for and the effort that its aliases carry."""
    base, effort = split_effort_suffix(item.id)
    if item.aliases and effort is not None and item.id.lower() not in _CATALOGUE and base.lower() in known:
        return base, effort
    return item.id, None


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
