"""What a command tells its user at start; keys are never shown."""

from packyproxy.config import Config
from packyproxy.config.pending import not_yet_in_effect
from packyproxy.registry.registry import Registry
from packyproxy.version import __version__

__all__ = ["banner", "claude_code_exports", "summary"]


def banner(config: Config, url: str, *, workers: int = 1) -> str:
    """Return the text that ``serve`` prints once it listens."""
    lines = [f"packyproxy {__version__} listens on {url}", *(f"  {line}" for line in summary(config))]
    if workers > 1:
        lines.append(
            f"  workers    {workers} processes; what one learns of a provider, the others do not know"
        )
    return "\n".join(
        [*lines, "", "Claude Code, in the shell where it runs:", claude_code_exports(config, url), ""]
    )


def summary(config: Config) -> list[str]:
    """Return what a configuration amounts to, one aligned line per subject."""
    served = config.routing_order
    lines = [f"config     {config.source}"]
    lines += [f"provider   {provider.name} at {provider.base_url}" for provider in served]
    if not served:
        lines.append(
            "provider   none is enabled: set packycode.enabled: true (until then /readyz answers 503)"
        )
    models = Registry.build(served, config.model_map).models()
    lines.append(f"models     {len(models)} listed" + "".join(_defaults(config)[:1]))
    count = len(config.api_keys)
    keys = f"{count} configured" if count else "none: everybody who can connect is let in"
    lines.append(f"api-keys   {keys}")
    if pending := not_yet_in_effect(config):
        lines.append(f"note       valid, but without effect in this release: {', '.join(pending)}")
    return lines


def claude_code_exports(config: Config, url: str) -> str:
    """Return the two shell lines that point Claude Code at ``url``."""
    token = "'<one of the api-keys in your configuration>'" if config.api_keys else "any-value"
    return f"  export ANTHROPIC_BASE_URL={url}\n  export ANTHROPIC_AUTH_TOKEN={token}"


def _defaults(config: Config) -> list[str]:
    return [
        f"; claude-* names get {provider.defaults.model}"
        + (f" at effort {provider.defaults.effort}" if provider.defaults.effort else "")
        for provider in config.routing_order
    ]
