"""Configurations as files say them: every key, in every combination that is valid."""

from typing import Any

from hypothesis import strategies as st

__all__ = ["MASKED_ALIKE", "Values", "configs", "packycode_blocks", "providers", "secrets"]

Values = dict[str, Any]

MASKED_ALIKE = ("k1", "k2", "client-key-one-0001", "client-key-two-0001")
"""Secrets of which two and two have the same mask."""

secrets = st.sampled_from([*MASKED_ALIKE, "sk-canary-0123456789", "a#b: 'c'-long-enough".replace(" ", "_")])
models = st.sampled_from(["gpt-5", "gpt-5-low", "m", "no", "1.5", "x/y"])
seconds = st.sampled_from([1, 2, 2.5, 30, 3600])
urls = st.sampled_from(["https://a.example/v1", "https://A.Example/v1/", "http://127.0.0.1:9/x"])
efforts = st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
headers = st.dictionaries(st.sampled_from(["x-team", "X-Key", "user-agent", "no"]), secrets, max_size=3)


def some(*often: str, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Values]:
    """Draw mappings with up to six of these keys, in any order; some of them more often than others."""
    keys = {name.replace("_", "-"): strategy for name, strategy in optional.items()}
    names = st.lists(st.sampled_from([*sorted(keys), *often * 6]), unique=True, max_size=6)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: keys[name] for name in chosen}))


def _models() -> st.SearchStrategy[list[Any]]:
    item = models | some(
        aliases=st.lists(st.sampled_from(["one", "two"]), max_size=1),
        efforts=st.lists(efforts, max_size=2),
        context_window=st.integers(1000, 1005),
    ).flatmap(lambda more: models.map(lambda name: {"id": name, **more}))
    return st.lists(item, max_size=3, unique_by=_names).filter(_has_own_names)


def _names(item: Any) -> str:
    return str(item["id"] if isinstance(item, dict) else item)


def _has_own_names(items: list[Any]) -> bool:
    names = [name for item in items for name in (_names(item), *_aliases(item))]
    return len(names) == len(set(names))


def _aliases(item: Any) -> list[str]:
    return item.get("aliases", []) if isinstance(item, dict) else []


def _shared() -> dict[str, st.SearchStrategy[Any]]:
    return {
        "base_url": urls,
        "requires_openai_auth": st.booleans(),
        "defaults": some(model=models, model_reasoning_effort=efforts, small_model=models | st.just("")),
        "models": _models(),
        "headers": headers,
        "proxy_url": st.sampled_from(["", "http://user:secret@proxy.example:3128"]),
        "priority": st.integers(-2, 2),
        "weight": st.integers(1, 3),
        "profile": some(
            max_output_tokens=st.booleans(),
            sampling=st.booleans(),
            web_search=st.booleans(),
            tool_output_media=st.booleans(),
            item_ids=st.booleans(),
            phase=st.sampled_from(["auto", "on", "off"]),
            system_as=st.sampled_from(["instructions", "developer"]),
            compact=st.sampled_from(["probe", "on", "off"]),
            reasoning_scope=st.sampled_from(["", "s"]),
        ),
        "compat": some(
            buffer_tools=st.lists(st.sampled_from(["Read", "Write", "Bash"]), unique=True),
            chat_reasoning=st.booleans(),
        ),
    }


def _switched(values: Values) -> st.SearchStrategy[Values]:
    """Let a provider be enabled only if it is complete."""
    has_key = bool(values.get("api-key") or values.get("credentials", {}).get("openai-api-key"))
    is_complete = "base-url" in values and (has_key or values.get("requires-openai-auth") is False)
    if not is_complete or not values.get("name", "packycode"):
        return st.just(values)
    return st.sampled_from([True, True, False]).map(lambda is_enabled: {**values, "enabled": is_enabled})


packycode_blocks = some(
    "base-url",
    "credentials",
    **_shared(),
    wire_api=st.just("responses"),
    privacy=some(disable_response_storage=st.just(value=True)),
    credentials=some("openai-api-key", openai_api_key=secrets | st.just("")),
).flatmap(_switched)

_entries = (
    some("base-url", "api-key", **_shared(), api_key=secrets)
    .flatmap(lambda more: st.sampled_from(["a", "b", "B", "c"]).map(lambda name: {"name": name, **more}))
    .flatmap(_switched)
)


def _is_told_apart(entries: list[Values]) -> bool:
    names = [entry["name"].casefold() for entry in entries if entry.get("enabled")]
    return len(names) == len(set(names))


providers = st.lists(_entries, max_size=3).filter(_is_told_apart)

configs = some(
    "packycode",
    "tppc",
    host=st.sampled_from(["127.0.0.1", "localhost"]),
    port=st.integers(8000, 8003),
    api_keys=st.lists(secrets, max_size=3),
    remote_management=some(secret_key=secrets, allow_remote=st.booleans()),
    packycode=packycode_blocks,
    tppc=some("providers", providers=providers),
    routing=some(
        strategy=st.sampled_from(["fill-first", "round-robin", "weighted-round-robin", "least-latency"]),
        session_affinity=st.booleans(),
        hedge_after=st.none() | seconds,
    ),
    request_retry=st.integers(0, 5),
    max_retry_interval=seconds,
    streaming=some(
        commit_deadline=seconds,
        keepalive_seconds=seconds,
        headers_timeout=seconds,
        idle_timeout=seconds,
        total_timeout=seconds,
    ),
    model_map=st.dictionaries(st.sampled_from(["claude-*", "x?", "*"]), models, max_size=3),
    health_check=some(enabled=st.booleans(), interval=seconds),
    discover_models=st.booleans(),
    metrics=st.booleans(),
    expose_route_headers=st.booleans(),
    cors_origins=st.lists(st.sampled_from(["*", "https://a.example"]), max_size=2),
    max_body_bytes=st.integers(2000, 2003),
    log_format=st.sampled_from(["auto", "console", "json"]),
    tps_log=st.booleans(),
    request_log=st.booleans(),
    debug=st.booleans(),
)
"""Whole files; all that they say is valid."""
