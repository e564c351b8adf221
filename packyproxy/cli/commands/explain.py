"""``packyproxy explain MODEL``: what a model name becomes, who would be asked, and what they would get.

A dry run of the real parts: the name is resolved, the candidates are put in order as for the first request
of a new session, and a sample request whose texts are placeholders is translated for each.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Raw, Struct

from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.tables import print_json, print_line, print_table
from packyproxy.config.reading import discover_config
from packyproxy.config.schema import RoutingStrategy
from packyproxy.errors import InvalidRequest, NoProvider
from packyproxy.providers.choose import Standing, choose
from packyproxy.registry.resolve import Resolution
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.translate.contract import Translation
from packyproxy.translate.messages.protocol import MessagesProtocol

__all__ = ["explain"]

_STRATEGIES: Final[Mapping[RoutingStrategy, str]] = MappingProxyType(
    {
        "fill-first": "in the order of the configuration",
        "round-robin": "they take turns at being first",
        "weighted-round-robin": "they take turns at being first, each as often as its weight says",
        "least-latency": "the one that has answered fastest lately",
    }
)
_SAMPLE: Final = {
    "max_tokens": 1024,
    "system": "<system text>",
    "messages": [{"role": "user", "content": "<text of the user>"}],
    "tools": [{"name": "a_tool", "description": "<description>", "input_schema": {"type": "object"}}],
}
_CACHE_KEY: Final = "<derived from the session>"


class _Asked(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A candidate, in its place."""

    provider: str
    model: str
    effort: str | None
    """When the client asks for none."""
    is_effort_named: bool
    """The requested name holds it."""
    priority: int
    weight: int
    context_window: int
    reasons: tuple[str, ...]


class _Explanation(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What ``--json`` prints."""

    requested: str
    is_pinned: bool
    strategy: RoutingStrategy
    session_affinity: bool
    candidates: tuple[_Asked, ...]
    request: Raw
    """What the first candidate would be sent for the sample."""


def explain(path: str | None, model: str, *, as_json: bool = False) -> int:
    """Print what a model name means here.

    Raises:
        ConfigError: the configuration cannot be used.
        CommandFailed: no provider serves such a model; the text is what a client would be told.
    """
    snapshot = Snapshot.build(discover_config(path).config)
    try:
        resolution = snapshot.resolve(model)
    except InvalidRequest as refusal:
        raise CommandFailed(f"{refusal.status} {refusal.code}: {refusal.message}") from refusal
    except NoProvider as error:
        raise CommandFailed("no provider is enabled; packyproxy check tells more") from error
    explanation = _explain(snapshot, resolution)
    if as_json:
        print_json(explanation)
    else:
        _show(explanation)
    return 0


def _explain(snapshot: Snapshot, resolution: Resolution) -> _Explanation:
    routing = snapshot.config.routing
    standings = [
        Standing(provider=provider.id, name=provider.name, priority=provider.priority, weight=provider.weight)
        for provider in (snapshot.providers[candidate.provider] for candidate in resolution.candidates)
    ]
    order = choose(standings, strategy=routing.strategy, preferred=None, turn=0, now=0.0).order
    protocol = MessagesProtocol()
    request = protocol.read(msgspec.json.encode({"model": resolution.requested, **_SAMPLE}))
    asked: list[_Asked] = []
    translations: list[Translation] = []
    for index in order:
        candidate, standing = resolution.candidates[index], standings[index]
        target = snapshot.providers[candidate.provider].target(
            candidate.model,
            candidate.efforts,
            suffix_effort=candidate.suffix_effort,
            default_effort=candidate.default_effort,
            named_effort=candidate.named_effort,
            prompt_cache_key=_CACHE_KEY,
        )
        translations.append(protocol.to_responses(request, target))
        asked.append(
            _Asked(
                provider=candidate.provider,
                model=candidate.model,
                effort=translations[-1].effort,
                is_effort_named=candidate.suffix_effort is not None,
                priority=standing.priority,
                weight=standing.weight,
                context_window=candidate.context_window,
                reasons=candidate.reasons,
            )
        )
    return _Explanation(
        requested=resolution.requested,
        is_pinned=resolution.is_pinned,
        strategy=routing.strategy,
        session_affinity=routing.session_affinity,
        candidates=tuple(asked),
        request=Raw(translations[0].body),
    )


def _show(explanation: _Explanation) -> None:
    candidates = explanation.candidates
    print_line(f"how {explanation.requested} is read:", "strong")
    print_table([(asked.provider, "; ".join(asked.reasons)) for asked in candidates], indent=2)
    print_line("\nwho is asked, and for what:", "strong")
    headings = ["", "provider", "model", "effort", "priority", "weight", "context"]
    print_table(
        [_cells(number, asked) for number, asked in enumerate(candidates, start=1)],
        headings=headings,
        indent=2,
    )
    print_line()
    print_table(_in_words(explanation), indent=2)
    print_line(f"\nwhat {candidates[0].provider} would get:", "strong")
    print_json(explanation.request)


def _cells(number: int, asked: _Asked) -> tuple[str, ...]:
    return (
        str(number),
        asked.provider,
        asked.model,
        asked.effort or "-",
        str(asked.priority),
        str(asked.weight),
        str(asked.context_window),
    )


def _in_words(explanation: _Explanation) -> list[tuple[str, str]]:
    """Say what decides, and what may change the answer."""
    candidates, strategy = explanation.candidates, explanation.strategy
    if any(asked.is_effort_named for asked in candidates):
        facts = [("effort", "the name holds it, so it counts whatever the client asks for")]
    else:
        facts = [("effort", "where the client asks for none")]
    if explanation.is_pinned:
        facts.append(("order", "the provider is pinned: no other one is asked"))
    elif len(candidates) == 1:
        facts.append(("order", "no other enabled provider serves it"))
    else:
        facts.append(("order", f"higher priority first; among equals {strategy}: {_STRATEGIES[strategy]}"))
        facts.append(("failover", "to the next one, when one fails before its answer begins, or is resting"))
        if explanation.session_affinity:
            facts.append(("affinity", "a session stays with the provider that serves it, while that is well"))
    return facts
