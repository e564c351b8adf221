"""Read the ``packycode`` block and the entries of ``tppc.providers``."""

from typing import Final, Literal

from packyproxy.config.document import join_path
from packyproxy.config.rules import (
    Complaint,
    check_base_url,
    check_header_name,
    check_header_value,
    check_key,
    check_model,
    check_name,
    check_proxy_url,
    normalise_url,
)
from packyproxy.config.schema import Defaults, ModelConfig, ProviderConfig
from packyproxy.config.secret import HeaderMap, Secret
from packyproxy.config.section import Section
from packyproxy.translate.contract import Capabilities
from packyproxy.translate.effort import EFFORTS

__all__ = ["read_packycode", "read_tppc"]

_FREE_MAPPINGS: Final = frozenset({"headers"})
_GLOB_CHARACTERS: Final = frozenset("*?")
_DEFAULT_BUFFER_TOOLS: Final = ProviderConfig(kind="packycode", name="").buffer_tools
_USUAL_MISTAKES: Final = {
    **dict.fromkeys(("url", "baseurl", "base", "api_base", "endpoint"), "base-url"),
    "proxy": "proxy-url",
    "model": "defaults.model",
    "small_model": "defaults.small-model",
    **dict.fromkeys(
        ("model_reasoning_effort", "reasoning_effort", "effort"), "defaults.model-reasoning-effort"
    ),
}
"""What other programs call a key, or where it is not, and what is meant."""
_URL_EXAMPLE: Final = 'base-url: "https://codex-api.packycode.com/v1"'


def read_packycode(block: Section) -> ProviderConfig:
    """Read the ``packycode`` block; its provider's name is ``packycode``."""
    block.choice("wire-api", "responses", ("responses",))
    privacy = block.section("privacy")
    if not privacy.flag("disable-response-storage", default=True):
        fix = "set it to true or remove the line"
        privacy.problem("disable-response-storage", "not_an_option", "answers are never stored upstream", fix)
    privacy.close()
    credentials = block.section("credentials")
    provider = _read_provider(
        block,
        kind="packycode",
        name="packycode",
        key=credentials.optional_text("openai-api-key", check=check_key),
    )
    if _needs_key(provider) and credentials.lacks("openai-api-key"):
        fix = f"add your provider's key, or set {block.at('requires-openai-auth')}: false if it takes none"
        credentials.problem("openai-api-key", "missing", "is missing", fix)
    credentials.close(api_key="openai-api-key", key="openai-api-key")
    keys = dict.fromkeys(("api_key", "apikey", "key", "openai_api_key"), "credentials.openai-api-key")
    storage = {"disable_response_storage": "privacy.disable-response-storage"}
    block.close(**keys, **storage, **_USUAL_MISTAKES)
    return provider


def read_tppc(entry: Section) -> ProviderConfig:
    """Read one entry of ``tppc.providers``."""
    provider = _read_provider(
        entry,
        kind="tppc",
        name=entry.optional_text("name", check=check_name) or "",
        key=entry.optional_text("api-key", check=check_key),
    )
    if provider.enabled and entry.lacks("name"):
        entry.problem("name", "missing", "is missing", "give the provider a name of its own")
    if _needs_key(provider) and entry.lacks("api-key"):
        entry.problem("api-key", "missing", "is missing", "add the provider's key, or set enabled: false")
    keys = dict.fromkeys(("apikey", "key", "openai_api_key", "credentials"), "api-key")
    entry.close(**keys, **_USUAL_MISTAKES)
    return provider


def _needs_key(provider: ProviderConfig) -> bool:
    return provider.enabled and provider.requires_openai_auth


def _read_provider(
    section: Section, *, kind: Literal["packycode", "tppc"], name: str, key: str | None
) -> ProviderConfig:
    """Read the keys that both kinds share."""
    base_url = section.optional_text("base-url", check=check_base_url)
    proxy_url = section.optional_text("proxy-url", check=check_proxy_url)
    capabilities, compact, reasoning_scope = _read_profile(section.section("profile"))
    compat = section.section("compat")
    tools = frozenset(compat.texts("buffer-tools", check=check_model))
    provider = ProviderConfig(
        kind=kind,
        name=name,
        enabled=section.flag("enabled", default=False),
        base_url=normalise_url(base_url) if base_url else "",
        api_key=Secret(key) if key else None,
        requires_openai_auth=section.flag("requires-openai-auth", default=True),
        defaults=_read_defaults(section.section("defaults")),
        models=_read_models(section),
        headers=_read_headers(section),
        proxy_url=Secret(proxy_url) if proxy_url else None,
        priority=section.whole("priority", 0, low=-1000, high=1000),
        weight=section.whole("weight", 1, low=1, high=1000),
        capabilities=capabilities,
        compact=compact,
        reasoning_scope=reasoning_scope,
        buffer_tools=tools if compat.has("buffer-tools") else _DEFAULT_BUFFER_TOOLS,
        chat_reasoning=compat.flag("chat-reasoning", default=True),
        sources=section.sources(whole=_FREE_MAPPINGS),
    )
    compat.close()
    if provider.enabled and section.lacks("base-url"):
        section.problem(
            "base-url", "missing", "is missing", f"add the provider's URL, such as {_URL_EXAMPLE}"
        )
    return provider


def _read_defaults(section: Section) -> Defaults:
    default = Defaults()
    defaults = Defaults(
        model=section.required_text("model", default.model, check=check_model),
        effort=section.choice("model-reasoning-effort", "high", EFFORTS),
        small_model=section.optional_text("small-model", check=check_model),
    )
    section.close(**dict.fromkeys(("effort", "reasoning_effort"), "model-reasoning-effort"))
    return defaults


def _read_profile(section: Section) -> tuple[Capabilities, bool | None, str | None]:
    default = Capabilities()
    phase = section.tristate("phase", unset="auto")
    capabilities = Capabilities(
        max_output_tokens=section.flag("max-output-tokens", default=default.max_output_tokens),
        sampling=section.flag("sampling", default=default.sampling),
        web_search=section.flag("web-search", default=default.web_search),
        tool_output_media=section.flag("tool-output-media", default=default.tool_output_media),
        item_ids=section.flag("item-ids", default=default.item_ids),
        phase="auto" if phase is None else "on" if phase else "off",
        system_as=section.choice("system-as", default.system_as, ("instructions", "developer")),
    )
    compact = section.tristate("compact", unset="probe")
    reasoning_scope = section.optional_text("reasoning-scope")
    section.close()
    return capabilities, compact, reasoning_scope


def _read_headers(section: Section) -> HeaderMap:
    headers: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in section.mapping("headers", check_header_name, check_header_value):
        if name.lower() in seen:
            path = join_path(section.at("headers"), name)
            section.problem_at(path, "duplicate_key", "given twice (case does not count)", "keep one of them")
        seen.add(name.lower())
        headers[name] = value
    return HeaderMap(headers)


def _read_models(section: Section) -> tuple[ModelConfig, ...] | None:
    models = []
    first_of: dict[str, str] = {}
    for item in section.sections("models", text_as="id"):
        model = _read_model(item)
        for path, name in (
            (item.at("id"), model.id),
            *((f"{item.at('aliases')}[{index}]", alias) for index, alias in enumerate(model.aliases)),
        ):
            first = first_of.setdefault(name.casefold(), path)
            if name and first != path:
                item.problem_at(
                    path, "duplicate_name", f"already given at {first} (case does not count)", "remove one"
                )
        models.append(model)
    return tuple(models) or None


def _read_model(item: Section) -> ModelConfig:
    model = ModelConfig(
        id=item.optional_text("id", check=check_model) or "",
        aliases=item.texts("aliases", check=check_model),
        efforts=_read_efforts(item),
        context_window=item.whole("context-window", 0, low=1000, high=100_000_000) or None,
    )
    if item.lacks("id"):
        item.problem("id", "missing", "is missing", "name the model")
    if model.aliases and _GLOB_CHARACTERS.intersection(model.id):
        item.problem(
            "aliases", "invalid", "an alias stands for one model, not a pattern", "list the model by its id"
        )
    for index, alias in enumerate(model.aliases):
        if _GLOB_CHARACTERS.intersection(alias):
            item.problem(
                f"aliases[{index}]", "invalid", "an alias is not a pattern", "put patterns into model-map"
            )
    item.close()
    return model


def _read_efforts(item: Section) -> tuple[str, ...] | None:
    efforts = item.texts("efforts", check=_check_effort)
    return tuple(sorted(set(efforts), key=EFFORTS.index)) or None


def _check_effort(value: str) -> Complaint | None:
    return None if value in EFFORTS else ("not a known effort", f"use one of {', '.join(EFFORTS)}")
