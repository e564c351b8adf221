"""Find the catalogue of models that the Codex CLI asks for (wire-mapping 10.1).

It is a provider's own: only that knows which models it sells, and with which prompts they work well. Asking
for it costs nothing, says nothing of a provider's health, and changes nothing of what is known of it.
"""

from collections.abc import Mapping

from packyproxy.runtime.model_list import Catalogue, fetch_catalogue
from packyproxy.runtime.runtime import Runtime
from packyproxy.translate.codex_headers import upstream_headers

__all__ = ["find_catalogue"]


async def find_catalogue(
    runtime: Runtime, client_version: str, headers: Mapping[str, str]
) -> Catalogue | None:
    """Ask the enabled providers in routing order; the first that has a catalogue gives it.

    Those that nobody is to ask at the moment are passed over.

    Args:
        runtime: whose providers are asked.
        client_version: of the Codex CLI, as it asks.
        headers: of its request.
    """
    providers = tuple(runtime.snapshot.providers.values())
    for provider in await runtime.routing.available(providers):
        catalogue = await fetch_catalogue(
            runtime.upstream(provider),
            provider,
            version=runtime.version,
            client_version=client_version,
            client_headers=upstream_headers(headers, provider.target("", ())),
        )
        if catalogue is not None:
            return catalogue
    return None
