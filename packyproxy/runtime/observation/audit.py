"""The events of the proxy that an operator may want to look up later: each a line in the log and an entry.

Line and entry are made of the same facts, which are also the extra attributes of the log record, so that a
host's own formatter can use them without parsing the text. No key gets here, and nothing that a client or an
upstream has said. May be used on any thread.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from types import MappingProxyType
from typing import Final

from packyproxy.config import Config
from packyproxy.config.changes import Change
from packyproxy.errors import Failure, FailureKind, Problem
from packyproxy.registry.registry import Registry
from packyproxy.usage.audit import AuditReport, AuditTrail, EventName, Fact

__all__ = ["Audit"]

_log = logging.getLogger("packyproxy")
_NO_FACTS: Final[Mapping[str, Fact]] = MappingProxyType({})


class Audit:
    """What has happened lately.

    Args:
        now: the clock, in Unix seconds.
    """

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = Lock()
        self._trail = AuditTrail()

    def report(
        self, *, limit: int | None = None, event: str | None = None, provider: str | None = None
    ) -> AuditReport:
        """Return the newest events first, all that are kept by default, or those of one name or provider."""
        with self._lock:
            return self._trail.report(limit=limit, event=event, provider=provider)

    def config_changed(self, changes: Sequence[Change], *, source: str, number: int) -> None:
        """Note a configuration that came into force: a line per change and one for all, in one entry."""
        lines = []
        for change in changes:
            line = f"{change}{' (needs a restart)' if change.needs_restart else ''}"
            lines.append(line)
            _log.info(
                "configuration: %s",
                line,
                extra={
                    "event": "config_changed",
                    "field": change.field,
                    "old": change.old,
                    "new": change.new,
                    "needs_restart": change.needs_restart,
                },
            )
        _log.info(
            "configuration %s is in force, from %s: %s changed",
            number,
            source,
            len(changes),
            extra={
                "event": "config_reloaded",
                "number": number,
                "source": source,
                "changes": len(changes),
            },
        )
        self._add("config_changed", {"number": number, "source": source, "changes": lines})

    def providers_switched(self, before: Config, after: Config) -> None:
        """Note which providers a change has enabled, and which ones it has disabled or removed."""
        old, new = (
            dict.fromkeys(provider.name for provider in config.enabled_providers)
            for config in (before, after)
        )
        for name in old:
            if name not in new:
                self._tell(
                    logging.INFO,
                    "provider_disabled",
                    "provider %s is disabled; answers that it is giving come to their end",
                    name,
                    provider=name,
                )
        for name in new:
            if name not in old:
                self._tell(logging.INFO, "provider_enabled", "provider %s is enabled", name, provider=name)

    def models_registered(self, registry: Registry, *, known: Registry | None = None) -> None:
        """Note which models clients can ask for, and of whom.

        Args:
            registry: all of them.
            known: what needs no mention, since it is the same there.
        """
        before = {provider.name: list(provider.models) for provider in known.providers} if known else {}
        for provider in registry.providers:
            if list(provider.models) == before.get(provider.name):
                continue
            ids = tuple(model.id for model in provider.models.values())
            count = "1 model is" if len(ids) == 1 else f"{len(ids)} models are"
            self._tell(
                logging.INFO,
                "models_registered",
                "provider %s: %s registered",
                provider.name,
                count,
                provider=provider.name,
                facts={"models": len(ids), "ids": ids},
            )
        if not registry.providers and known is None:
            self._tell(
                logging.INFO,
                "models_registered",
                "no provider is enabled, so no model is registered",
                facts={"models": 0},
            )

    def config_invalid(self, problems: Sequence[Problem], *, source: str) -> None:
        """Note why what is on disk is not used: one line for all, then a line per problem, in one entry."""
        _log.error(
            "%s cannot be used (%s): the configuration in force stays",
            source,
            "1 problem" if len(problems) == 1 else f"{len(problems)} problems",
            extra={"event": "config_invalid", "source": source, "problems": len(problems)},
        )
        for problem in problems:
            _log.error(
                "%s",
                problem,
                extra={
                    "event": "config_problem",
                    "field": problem.field,
                    "code": problem.code,
                    "line": problem.line,
                },
            )
        self._add("config_invalid", {"source": source, "problems": [str(problem) for problem in problems]})

    def config_picked_up(self, source: str) -> None:
        """Note that there is no file, and whose settings are used instead."""
        text = "no configuration file was found: in force is what %s says"
        self._tell(logging.INFO, "config_picked_up", text, source, facts={"source": source})

    def config_missing(self, source: str) -> None:
        """Note that the file in force is not there any more."""
        text = "%s is gone: the configuration in force stays"
        self._tell(logging.WARNING, "config_missing", text, source, facts={"source": source})

    def config_recovered(self, source: str) -> None:
        """Note that what was complained of is mended, by saying again what is in force already."""
        text = "%s is in order again and says what is in force"
        self._tell(logging.INFO, "config_recovered", text, source, facts={"source": source})

    def management_key_hashed(self, source: str) -> None:
        """Note that a plain management key was replaced by its hash in the file that it stands in."""
        text = "the management key is kept as a hash from now on, in %s"
        self._tell(logging.INFO, "management_key_hashed", text, source, facts={"source": source})

    def management_key_plain(self, reasons: Sequence[str]) -> None:
        """Note that the file cannot be written, so that the management key stays in it as it is."""
        self._tell(
            logging.WARNING,
            "management_key_plain",
            "the management key stays in plain text in the configuration: its hash cannot be written (%s)",
            ", ".join(reasons),
            facts={"reasons": tuple(reasons)},
        )

    def auth_failed(self, address: str | None, request_id: str, *, has_key: bool) -> None:
        """Note a client that showed no key, or none that is known here.

        The log has the first of a minute from each address; each such request is logged as refused besides.

        Args:
            address: the client's IP address, None if the server does not know it.
            request_id: of the last such request.
            has_key: whether a key was shown at all.
        """
        facts = {"reason": "unknown_key" if has_key else "no_key", "request_id": request_id}
        text = "a client at %s showed an unknown key" if has_key else "a client at %s showed no key"
        self._refuse("auth_failed", text, address, facts)

    def not_authorized(self, address: str | None, request_id: str) -> None:
        """Note a client that the host has not let in, whatever key it showed; logged like a wrong one."""
        facts = {"reason": "not_authorized", "request_id": request_id}
        self._refuse("auth_failed", "a client at %s was not let in by the host", address, facts)

    def management_refused(self, address: str | None, *, is_banned: bool = False) -> None:
        """Note somebody who showed no or a wrong management key, or who is banned for that."""
        if is_banned:
            self._refuse("management_banned", "%s is banned from the management API", address)
        else:
            text = "somebody at %s showed no valid management key"
            self._refuse("management_auth_failed", text, address)

    def upstream_failure(self, failure: Failure, *, request_id: str, provider: str, model: str) -> None:
        """Note one failed attempt: its kind and status, not the upstream's words, which may quote content."""
        self._tell(
            logging.WARNING,
            "upstream_failure",
            "upstream failure: %s%s (provider %s, model %s)",
            failure.kind.value,
            "" if failure.status is None else f", HTTP {failure.status}",
            provider,
            model,
            provider=provider,
            facts={
                "failure": failure.kind.value,
                "request_id": request_id,
                "model": model,
                "status": failure.status,
            },
        )

    def failover(self, before: str, after: str, failure: Failure, *, request_id: str) -> None:
        """Note that another provider is asked because one has failed."""
        self._tell(
            logging.WARNING,
            "failover",
            "failover from %s to %s after: %s",
            before,
            after,
            failure.kind.value,
            provider=before,
            facts={"request_id": request_id, "next_provider": after, "failure": failure.kind.value},
        )

    def breaker(self, provider: str, before: str, after: str, kind: FailureKind | None) -> None:
        """Note that a provider's breaker changed its state."""
        self._tell(
            logging.WARNING,
            "breaker",
            "provider %s: breaker %s -> %s%s",
            provider,
            before,
            after,
            f" (last failure: {kind.value})" if kind is not None else "",
            provider=provider,
            facts={"before": before, "after": after, "failure": kind.value if kind is not None else None},
        )

    def key_refused(self, provider: str) -> None:
        """Note that a provider does not take its key, and what follows from that."""
        text = "provider %s refused its key: it is not asked until it has another one"
        self._tell(logging.WARNING, "key_refused", text, provider, provider=provider)

    def _refuse(
        self, event: EventName, text: str, address: str | None, facts: Mapping[str, Fact] = _NO_FACTS
    ) -> None:
        with self._lock:
            is_news = self._trail.add_refusal(event, address, at=self._now(), detail=facts)
        if is_news:
            extra = {"event": event, "address": address, **facts}
            _log.warning(text, address or "an unknown address", extra=extra)

    def _tell(
        self,
        level: int,
        event: EventName,
        text: str,
        *args: object,
        provider: str | None = None,
        facts: Mapping[str, Fact] = _NO_FACTS,
    ) -> None:
        about = {} if provider is None else {"provider": provider}
        _log.log(level, text, *args, extra={"event": event, **about, **facts})
        self._add(event, facts, provider)

    def _add(self, event: EventName, facts: Mapping[str, Fact], provider: str | None = None) -> None:
        with self._lock:
            self._trail.add(event, at=self._now(), provider=provider, detail=facts)
