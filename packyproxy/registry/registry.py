"""Which models exist here and who serves them; immutable, built from the provider configurations.

Building twice from the same configurations gives equal registries, so registering again changes nothing.
What providers list of themselves only adds: a discovered id becomes a model where it would be passed on as it
is, and never takes a name that already means something here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Self

from msgspec import Struct

from packyproxy.config.schema import ProviderConfig
from packyproxy.registry.names import FAMILY_PREFIXES, MAIN_GLOBS, SMALL_GLOBS, Glob
from packyproxy.registry.provider_models import Alias, Model, ProviderModels
from packyproxy.translate.effort import split_effort_suffix

__all__ = ["Registry", "ServedModel"]

_NOTHING_DISCOVERED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class ServedModel(Model, frozen=True, kw_only=True):
    """A model and who serves it; efforts and context window are those of its first provider."""

    providers: tuple[str, ...]
    """Names of the providers that list it, in the order in which they are asked."""


class Registry(Struct, frozen=True, kw_only=True):
    """Every model that clients can ask for."""

    providers: tuple[ProviderModels, ...] = ()
    """In the order in which they are asked."""
    model_map: tuple[tuple[Glob, str], ...] = ()
    """The operator's globs and their targets, in the order of the file."""
    disabled: frozenset[str] = frozenset()
    """Names, in lower case, of providers that are configured but switched off: a pin to one goes nowhere."""
    served: Mapping[str, ServedModel] = MappingProxyType({})
    """Each model once, by id in lower case."""

    @classmethod
    def build(
        cls,
        providers: Iterable[ProviderConfig],
        model_map: Sequence[tuple[str, str]] = (),
        discovered: Mapping[str, tuple[str, ...]] = _NOTHING_DISCOVERED,
        *,
        disabled: Iterable[str] = (),
    ) -> Self:
        """Build the registry of the enabled providers.

        Args:
            providers: in the order in which they shall be asked.
            model_map: pairs of glob and target.
            discovered: by provider name, the ids that its upstream lists, as ``read_model_list`` gives them.
                They count for providers that take ids beyond their ``models`` list.
            disabled: names of the providers that are switched off.
        """
        configured = [ProviderModels.build(provider) for provider in providers]
        enabled = frozenset(provider.name.lower() for provider in configured)
        switched_off = frozenset(name.lower() for name in disabled if name) - enabled
        globs = tuple((Glob(glob), target) for glob, target in model_map)
        taken = _Taken(configured, [glob for glob, _ in globs], pins=enabled | switched_off)
        complete = tuple(
            provider.with_models(
                model_id for model_id in discovered.get(provider.name, ()) if taken.leaves(model_id)
            )
            for provider in configured
        )
        return cls(
            providers=complete,
            model_map=globs,
            disabled=switched_off,
            served=MappingProxyType(_merged(complete)),
        )

    def models(self) -> list[ServedModel]:
        """Return each model once, in the order of the providers and of their lists."""
        return list(self.served.values())

    def aliases(self) -> list[Alias]:
        """Return each alias once, as its first provider has it; a model's own id wins over an alias."""
        merged: dict[str, Alias] = {}
        for provider in self.providers:
            for key, alias in provider.aliases.items():
                if key not in self.served:
                    merged.setdefault(key, alias)
        return list(merged.values())


class _Taken:
    """The names that mean something by the configuration alone."""

    def __init__(
        self, providers: Collection[ProviderModels], globs: Collection[Glob], pins: Collection[str]
    ) -> None:
        self._ids = frozenset(key for provider in providers for key in provider.models)
        self._names = self._ids.union(*(provider.aliases for provider in providers))
        self._globs = (*globs, *SMALL_GLOBS, *MAIN_GLOBS)
        self._pins = pins

    def leaves(self, model_id: str) -> bool:
        """Tell whether a discovered id may be listed: it is a model already, or nothing at all."""
        if model_id.lower() in self._ids:
            return True
        base, _ = split_effort_suffix(model_id)
        return not (self._has(model_id) or self._has(base))

    def _has(self, name: str) -> bool:
        key = name.lower()
        pin, slash, _ = key.partition("/")
        if slash and pin in self._pins:
            return True
        rests = (key.removeprefix(prefix) for prefix in FAMILY_PREFIXES)
        return not self._names.isdisjoint((key, *rests)) or any(glob.matches(name) for glob in self._globs)


def _merged(providers: Iterable[ProviderModels]) -> dict[str, ServedModel]:
    first: dict[str, Model] = {}
    names: dict[str, list[str]] = {}
    for provider in providers:
        for key, model in provider.models.items():
            first.setdefault(key, model)
            names.setdefault(key, []).append(provider.name)
    return {
        key: ServedModel(
            id=model.id,
            efforts=model.efforts,
            context_window=model.context_window,
            created=model.created,
            providers=tuple(names[key]),
        )
        for key, model in first.items()
    }
