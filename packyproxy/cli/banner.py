"""What a command tells its user at start; keys are never shown."""

from collections.abc import Mapping, Sequence

from packyproxy.cli.origins import list_by_source
from packyproxy.cli.oversight import management_text, metrics_text
from packyproxy.config import Config, ProviderConfig
from packyproxy.registry.registry import Registry
from packyproxy.version import __version__

__all__ = ["banner", "claude_code_exports", "claude_names", "client_keys"]

_NO_PROVIDER = (
    "provider   none is enabled: set packycode.enabled: true, or enabled: true of an entry of "
    "tppc.providers (until then /readyz answers 503)"
)
_QUICKER_LOOP = "; uvloop, where it runs, needs less CPU for each event: pip install 'packyproxy[fast]'"


def banner(
    config: Config,
    url: str,
    *,
    environment: Mapping[str, str],
    loop: str = "uvloop",
    workers: int = 1,
    notes: Sequence[str] = (),
) -> str:
    """Return the text that ``serve`` prints once it listens.

    Args:
        config: what is in force.
        url: where it listens.
        environment: of this process.
        loop: the event loop that it runs on.
        workers: how many processes serve.
        notes: what else there is to say of where the settings came from.
    """
    lines = [f"packyproxy {__version__} listens on {url}", *(f"  {line}" for line in _summary(config))]
    lines.append(f"  management {management_text(config, environment, url)}")
    if config.metrics:
        lines.append(f"  metrics    {metrics_text(config, url)}")
    lines.append(f"  loop       {loop}{'' if loop == 'uvloop' else _QUICKER_LOOP}")
    lines += [f"  note       {note}" for note in notes]
    if workers > 1:
        lines.append(
            f"  workers    {workers} processes; each keeps cooldowns, breakers, sessions, what it learns of "
            "providers, usage, TPS, metrics, audit and bans for itself"
        )
    for_claude_code = ("Claude Code, in the shell where it runs:", claude_code_exports(config, url))
    for_openai = f"the Codex CLI and OpenAI's SDK: base URL {url}/v1"
    return "\n".join([*lines, "", *for_claude_code, "", for_openai, ""])


def _summary(config: Config) -> list[str]:
    """Return what a configuration amounts to, one aligned line per subject."""
    enabled = config.routing_order
    lines = [f"config     {config.source}", *_providers(enabled)]
    if disabled := [provider.name or "(unnamed)" for provider in config.providers if not provider.enabled]:
        lines.append(f"disabled   {', '.join(disabled)}")
    models = Registry.build(enabled, config.model_map).models()
    lines.append(f"models     {len(models)} registered{claude_names(enabled)}")
    lines.append(f"api-keys   {client_keys(config)}")
    return lines


def claude_code_exports(config: Config, url: str) -> str:
    """Return the two shell lines that point Claude Code at ``url``."""
    token = "'<one of the api-keys in your configuration>'" if config.api_keys else "any-value"
    return f"  export ANTHROPIC_BASE_URL={url}\n  export ANTHROPIC_AUTH_TOKEN={token}"


def client_keys(config: Config) -> str:
    """Return how many ``api-keys`` there are, and what it means to have none."""
    count = len(config.api_keys)
    return f"{count} configured" if count else "none: everybody who can connect is let in"


def claude_names(enabled: Sequence[ProviderConfig]) -> str:
    """Return what ``claude-*`` names become at the provider that is asked first; empty without one."""
    if not enabled:
        return ""
    defaults = enabled[0].defaults
    effort = f" at effort {defaults.effort}" if defaults.effort else ""
    return f"; claude-* names get {defaults.model}{effort}"


def _providers(enabled: Sequence[ProviderConfig]) -> list[str]:
    """Return a line per provider in the order in which they are asked, and where its settings came from."""
    if not enabled:
        return [_NO_PROVIDER]
    lines = []
    for number, provider in enumerate(enabled, start=1):
        rank = f"{number}. " if len(enabled) > 1 else ""
        origin = f" ({provider.effective_source})" if provider.effective_source else ""
        lines.append(f"provider   {rank}{provider.name} at {provider.base_url}{origin}")
        if set(provider.sources.values()) - {"config.yaml"}:
            lines.append(f"           from {list_by_source(provider.sources)}")
    return lines
