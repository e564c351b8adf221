"""Everything that follows from one configuration, frozen; a request keeps the one it began with."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Self

from msgspec import Struct

from packyproxy.config import Config
from packyproxy.providers.provider import Provider
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import Resolution, resolve
from packyproxy.runtime.client_keys import ClientKeys
from packyproxy.runtime.time_limits import TimeLimits

__all__ = ["Snapshot"]

_MAX_RESOLVED = 256
_NOTHING_DISCOVERED: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Snapshot(Struct, frozen=True, kw_only=True):
    """A configuration and what is built from it; swapped as a whole, never changed."""

    config: Config
    providers: Mapping[str, Provider]
    """The enabled providers by name, in routing order."""
    registry: Registry
    client_keys: ClientKeys
    limits: TimeLimits
    resolve: Callable[[str], Resolution]
    """Says what a requested model name means here; raises as ``registry.resolve.resolve`` does."""

    @classmethod
    def build(cls, config: Config, discovered: Mapping[str, tuple[str, ...]] = _NOTHING_DISCOVERED) -> Self:
        """Build everything that a valid configuration implies; does no I/O.

        Args:
            config: a valid configuration.
            discovered: the model ids that providers list themselves, by the provider's name.
        """
        served = config.routing_order
        registry = Registry.build(
            served,
            config.model_map,
            discovered,
            disabled=[provider.name for provider in config.providers if not provider.enabled],
        )
        streaming = config.streaming
        return cls(
            config=config,
            providers=MappingProxyType({item.name: Provider.from_config(item) for item in served}),
            registry=registry,
            client_keys=ClientKeys(config.api_keys),
            limits=TimeLimits(
                commit=streaming.commit_deadline,
                keep_alive=streaming.keepalive_seconds,
                headers=streaming.headers_timeout,
                idle=streaming.idle_timeout,
                total=streaming.total_timeout,
            ),
            # Clients ask for the same few names all the time.
            resolve=lru_cache(_MAX_RESOLVED)(partial(resolve, registry=registry)),
        )
