"""One configured upstream as the proxy uses it: who it is, what it accepts, and what it may be told.

A provider is immutable and built from its configuration alone; what it taught us while running is in
``providers.learned``.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.config.rules import normalise_url
from packyproxy.config.schema import ProviderConfig
from packyproxy.config.secret import Secret
from packyproxy.translate.contract import Capabilities, Target
from packyproxy.translate.reasoning import scope_of

__all__ = ["Provider"]

_ID_DIGITS = 12
_BORROWED_PENALTY = 10_000
"""More than any two priorities that may be configured are apart."""
_SECRET_HEADER_WORDS = ("auth", "key", "token", "secret", "cookie", "password")


class Provider(Struct, frozen=True, kw_only=True):
    """An upstream with its credentials; ``repr`` shows id and name only."""

    id: str
    """12 hex digits that change with kind, name, base URL or key; the key cannot be read back from them."""
    name: str
    base_url: str
    """Normalised: scheme and host in lower case, no trailing slash."""
    api_key: Secret | None
    requires_openai_auth: bool = True
    capabilities: Capabilities = Capabilities()
    reasoning_scope: str
    """Says which reasoning can be decrypted here; by default the base URL (wire-mapping 2.2)."""
    headers: tuple[tuple[str, str], ...] = ()
    """The operator's own, sent last."""
    proxy_url: Secret | None = None
    buffered_tools: frozenset[str] = frozenset({"Read"})
    chat_reasoning: bool = True
    """Whether Chat clients are shown reasoning summaries."""
    priority: int = 0
    """The higher, the earlier it is asked; one with a key of the Codex CLI comes after the configured."""
    weight: int = 1
    """Its share among providers of one priority under ``weighted-round-robin``."""
    secrets: tuple[str, ...] = ()
    """Every text that must not be shown to anyone: the key, and headers that look like credentials."""

    def __repr__(self) -> str:
        return f"Provider(id={self.id!r}, name={self.name!r})"

    @classmethod
    def from_config(cls, config: ProviderConfig) -> Self:
        """Build the provider that a valid configuration describes."""
        base_url = normalise_url(config.base_url)
        key = config.api_key.reveal() if config.api_key is not None else ""
        return cls(
            id=_provider_id(config.kind, config.name, base_url, key),
            name=config.name,
            base_url=base_url,
            api_key=config.api_key,
            requires_openai_auth=config.requires_openai_auth,
            capabilities=replace(config.capabilities, compact=config.compact),
            reasoning_scope=config.reasoning_scope or base_url,
            headers=tuple(config.headers.items()),
            proxy_url=config.proxy_url,
            buffered_tools=config.buffer_tools,
            chat_reasoning=config.chat_reasoning,
            priority=config.priority - (_BORROWED_PENALTY if config.effective_source == "codex-cli" else 0),
            weight=config.weight,
            secrets=tuple(filter(None, (key, *_secret_values(config.headers)))),
        )

    def target(
        self,
        model: str,
        efforts: tuple[str, ...],
        *,
        suffix_effort: str | None = None,
        default_effort: str | None = None,
        named_effort: str | None = None,
        prompt_cache_key: str | None = None,
        uses_developer: bool = False,
        requested_model: str = "",
    ) -> Target:
        """Describe one attempt at this provider to the translation.

        Args:
            model: the upstream's model id.
            efforts: what the model takes, weakest first.
            suffix_effort: asked for in the model name.
            default_effort: of the alias or of the provider's defaults.
            named_effort: of the alias alone.
            prompt_cache_key: the key of the upstream's prompt cache.
            uses_developer: the provider has refused system text in ``instructions`` (wire-mapping 1.3).
            requested_model: what the client calls the model.
        """
        return Target(
            model=model,
            scope=scope_of(self.reasoning_scope, model),
            efforts=efforts,
            suffix_effort=suffix_effort,
            default_effort=default_effort,
            named_effort=named_effort,
            capabilities=replace(self.capabilities, system_as="developer")
            if uses_developer
            else self.capabilities,
            buffered_tools=self.buffered_tools,
            prompt_cache_key=prompt_cache_key,
            provider_scope=scope_of(self.reasoning_scope, ""),
            chat_reasoning=self.chat_reasoning,
            requested_model=requested_model,
        )


def _secret_values(headers: Mapping[str, str]) -> list[str]:
    return [
        value for name, value in headers.items() if any(word in name.lower() for word in _SECRET_HEADER_WORDS)
    ]


def _provider_id(*facts: str) -> str:
    # The length before each fact keeps ("a", "bc") and ("ab", "c") apart.
    text = "".join(f"{len(fact)}:{fact}" for fact in facts)
    return sha256(text.encode()).hexdigest()[:_ID_DIGITS]
