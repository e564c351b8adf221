"""What one client request means here: who serves it, as which model, in which session; and its translation.

A plan is made once per request from its snapshot. It is translated anew for every attempt, because what may
be sent depends on what the provider has refused so far.
"""

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import NoProvider
from packyproxy.providers.learned import Learned
from packyproxy.providers.provider import Provider
from packyproxy.registry.resolve import Resolution
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.translate.contract import AttemptFacts, ClientProtocol, ClientRequest, Target, Translation
from packyproxy.translate.session import prompt_cache_key, session_key
from packyproxy.translate.token_count import ScaleFactors, estimate_tokens

__all__ = ["Plan", "make_plan"]


class Plan(Struct, frozen=True, kw_only=True):
    """Where a request goes; holds nothing of its content."""

    protocol: ClientProtocol
    resolution: Resolution
    provider: Provider
    cache_key: str
    """The upstream's ``prompt_cache_key``; names the session without revealing it."""

    def target(self, learned: Learned) -> Target:
        """Describe the provider and model as they are known to be at this moment."""
        resolution, provider = self.resolution, self.provider
        return provider.target(
            resolution.model,
            learned.allowed_efforts(provider.id, resolution.model, resolution.efforts),
            suffix_effort=resolution.suffix_effort,
            default_effort=resolution.default_effort,
            prompt_cache_key=self.cache_key,
            uses_developer=learned.uses_developer(provider.id),
        )

    def translate(
        self, request: ClientRequest, target: Target, facts: AttemptFacts, scales: ScaleFactors
    ) -> Translation:
        """Translate for one attempt, with the estimate of its input tokens filled in.

        Raises:
            InvalidRequest: the request holds something that cannot be translated.
        """
        translation = self.protocol.to_responses(request, target, facts)
        estimate = estimate_tokens(
            translation.request,
            scale=scales.factor(target.model),
            tools_estimate=translation.tools_estimate,
        )
        return replace(
            translation, stream_facts=replace(translation.stream_facts, input_tokens_estimate=estimate)
        )


def make_plan(snapshot: Snapshot, protocol: ClientProtocol, request: ClientRequest, inbound: Inbound) -> Plan:
    """Find out who serves a request.

    Raises:
        InvalidRequest: nobody here knows the model.
        NoProvider: no provider is enabled.
    """
    resolution = snapshot.resolve(request.model)
    provider = snapshot.providers.get(resolution.provider)
    if provider is None:
        raise NoProvider
    session = session_key(
        inbound.headers,
        request.session_hint,
        key_id=inbound.key_id,
        model=resolution.model,
        opening=request.opening,
    )
    return Plan(
        protocol=protocol,
        resolution=resolution,
        provider=provider,
        cache_key=prompt_cache_key(session, resolution.model),
    )
