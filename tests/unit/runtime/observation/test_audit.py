"""What the log and the audit trail say of each event."""

import logging
import threading
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import replace

from packyproxy.config import config_from_mapping
from packyproxy.config.changes import changes
from packyproxy.errors import Failure, FailureKind, Problem
from packyproxy.runtime.observation.audit import Audit
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.usage.audit import AuditEvent, EventName

SECRETS = (
    "canary-client-key",
    "sk-canary-of-a",
    "sk-canary-of-b",
    "canary-proxy",
    "canary-header",
    "canary-manage",
)


def config(**providers: dict[str, Any]) -> Any:
    """Return a configuration that is full of secrets, with these providers of ``tppc``."""
    return config_from_mapping(
        {
            "api-keys": ["canary-client-key"],
            "remote-management": {"secret-key": "canary-manage-key"},
            "tppc": {
                "providers": [
                    {
                        "name": name,
                        "enabled": True,
                        "base-url": f"https://{name}.test/v1",
                        "api-key": f"sk-canary-of-{name}",
                        "models": ["gpt-5"],
                        "headers": {"x-team": "canary-header"},
                        "proxy-url": "http://me:canary-proxy@proxy.test:8080",
                        **settings,
                    }
                    for name, settings in providers.items()
                ]
            },
        }
    )


BEFORE, AFTER = config(a={}, b={}), config(a={"enabled": False, "api-key": "sk-canary-of-b"}, c={})
FAILURE = Failure(kind=FailureKind.OVERLOADED, status=529, message="canary-client-key")
REGISTRY = Snapshot.build(BEFORE).registry

EVENTS: dict[str, tuple[Callable[[Audit], None], list[str], list[tuple[str | None, dict[str, Any]]]]] = {
    "config_changed": (
        lambda audit: audit.config_changed(changes(BEFORE, AFTER), source="config.yaml", number=2),
        [
            "configuration: tppc.providers[a].enabled: true -> false",
            "configuration: tppc.providers[a].api-key: ***of-a -> ***of-b",
            "configuration: tppc.providers[b]: removed",
            "configuration: tppc.providers[c]: added",
            "configuration 2 is in force, from config.yaml: 4 changed",
        ],
        [
            (
                None,
                {
                    "number": 2,
                    "source": "config.yaml",
                    "changes": [
                        "tppc.providers[a].enabled: true -> false",
                        "tppc.providers[a].api-key: ***of-a -> ***of-b",
                        "tppc.providers[b]: removed",
                        "tppc.providers[c]: added",
                    ],
                },
            )
        ],
    ),
    "provider_disabled": (
        lambda audit: audit.providers_switched(BEFORE, replace(BEFORE, providers=AFTER.providers[:1])),
        [
            "provider a is disabled; answers that it is giving come to their end",
            "provider b is disabled; answers that it is giving come to their end",
        ],
        [("b", {}), ("a", {})],
    ),
    "provider_enabled": (
        lambda audit: audit.providers_switched(config(a={}), config(a={}, c={})),
        ["provider c is enabled"],
        [("c", {})],
    ),
    "models_registered": (
        lambda audit: audit.models_registered(REGISTRY),
        ["provider a: 1 model is registered", "provider b: 1 model is registered"],
        [("b", {"models": 1, "ids": ["gpt-5"]}), ("a", {"models": 1, "ids": ["gpt-5"]})],
    ),
    "config_invalid": (
        lambda audit: audit.config_invalid(
            [
                Problem(
                    field="prot", code="unknown_key", message="unknown key", fix="did you mean port?", line=3
                )
            ],
            source="config.yaml",
        ),
        [
            "config.yaml cannot be used (1 problem): the configuration in force stays",
            "prot: unknown key: did you mean port?",
        ],
        [(None, {"source": "config.yaml", "problems": ["prot: unknown key: did you mean port?"]})],
    ),
    "config_missing": (
        lambda audit: audit.config_missing("config.yaml"),
        ["config.yaml is gone: the configuration in force stays"],
        [(None, {"source": "config.yaml"})],
    ),
    "config_recovered": (
        lambda audit: audit.config_recovered("config.yaml"),
        ["config.yaml is in order again and says what is in force"],
        [(None, {"source": "config.yaml"})],
    ),
    "config_picked_up": (
        lambda audit: audit.config_picked_up("env"),
        ["no configuration file was found: in force is what env says"],
        [(None, {"source": "env"})],
    ),
    "auth_failed": (
        lambda audit: audit.auth_failed("192.0.2.1", "req_1", has_key=True),
        ["a client at 192.0.2.1 showed an unknown key"],
        [
            (
                None,
                {
                    "address": "192.0.2.1",
                    "reason": "unknown_key",
                    "request-id": "req_1",
                    "count": 1,
                    "since": "2023-11-14T22:13:20.000Z",
                },
            )
        ],
    ),
    "management_auth_failed": (
        lambda audit: audit.management_refused("192.0.2.1"),
        ["somebody at 192.0.2.1 showed no valid management key"],
        [(None, {"address": "192.0.2.1", "count": 1, "since": "2023-11-14T22:13:20.000Z"})],
    ),
    "management_banned": (
        lambda audit: audit.management_refused(None, is_banned=True),
        ["an unknown address is banned from the management API"],
        [(None, {"count": 1, "since": "2023-11-14T22:13:20.000Z"})],
    ),
    "management_key_hashed": (
        lambda audit: audit.management_key_hashed("config.yaml"),
        ["the management key is kept as a hash from now on, in config.yaml"],
        [(None, {"source": "config.yaml"})],
    ),
    "management_key_plain": (
        lambda audit: audit.management_key_plain(["unwritable"]),
        [
            (
                "the management key stays in plain text in the configuration: its hash cannot be written "
                "(unwritable)"
            )
        ],
        [(None, {"reasons": ["unwritable"]})],
    ),
    "upstream_failure": (
        lambda audit: audit.upstream_failure(FAILURE, request_id="req_1", provider="a", model="gpt-5"),
        ["upstream failure: overloaded, HTTP 529 (provider a, model gpt-5)"],
        [("a", {"failure": "overloaded", "request-id": "req_1", "model": "gpt-5", "status": 529})],
    ),
    "failover": (
        lambda audit: audit.failover("a", "b", FAILURE, request_id="req_1"),
        ["failover from a to b after: overloaded"],
        [("a", {"request-id": "req_1", "next-provider": "b", "failure": "overloaded"})],
    ),
    "breaker": (
        lambda audit: audit.breaker("a", "closed", "open", FailureKind.UNREACHABLE),
        ["provider a: breaker closed -> open (last failure: unreachable)"],
        [("a", {"before": "closed", "after": "open", "failure": "unreachable"})],
    ),
    "key_refused": (
        lambda audit: audit.key_refused("a"),
        ["provider a refused its key: it is not asked until it has another one"],
        [("a", {})],
    ),
}
"""What is told, the lines that the log has of it, and the entries: provider and detail, the newest first."""


@pytest.fixture
def audit() -> Audit:
    """Return an audit whose clock stands still."""
    return Audit(now=lambda: 1_700_000_000.0)


def entries(audit: Audit, **filters: Any) -> tuple[AuditEvent, ...]:
    return audit.report(**filters).events


def test_every_event_is_tried_here() -> None:
    """The table has a row for each name, so that none is left untested."""
    assert set(get_args(EventName)) == set(EVENTS)


@pytest.mark.parametrize(("name", "case"), EVENTS.items(), ids=EVENTS.keys())
def test_what_is_said_of_an_event(
    name: str,
    case: tuple[Callable[[Audit], None], list[str], list[tuple[str | None, dict[str, Any]]]],
    audit: Audit,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has its lines, and the trail an entry under the same name."""
    tell, lines, expected = case
    with caplog.at_level(logging.INFO, "packyproxy"):
        tell(audit)
    assert lines == caplog.messages
    assert expected == [
        (event.provider, msgspec.json.decode(msgspec.json.encode(event.detail)))
        for event in entries(audit, event=name)
    ]
    assert name in [vars(record)["event"] for record in caplog.records]


def test_whom_the_host_refuses_is_told_apart(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    """Under the same name as a wrong key, with words and a reason of its own."""
    audit.not_authorized("192.0.2.1", "req_1")
    assert ["a client at 192.0.2.1 was not let in by the host"] == caplog.messages
    [event] = entries(audit, event="auth_failed")
    assert ("not_authorized", "req_1") == (event.detail["reason"], event.detail["request-id"])


@pytest.mark.parametrize("tell", [case[0] for case in EVENTS.values()], ids=EVENTS.keys())
def test_no_event_holds_a_secret(
    tell: Callable[[Audit], None], audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in its entry, nor in any attribute of its log records."""
    with caplog.at_level(logging.DEBUG, "packyproxy"):
        tell(audit)
    shown = msgspec.json.encode(audit.report()).decode() + str([vars(record) for record in caplog.records])
    assert [] == [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize("tell", [case[0] for case in EVENTS.values()], ids=EVENTS.keys())
def test_the_facts_of_an_entry_are_those_of_a_log_record(
    tell: Callable[[Audit], None], audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    """Under the same names, so that whoever reads the one can read the other; a list may be lines of its own."""
    with caplog.at_level(logging.INFO, "packyproxy"):
        tell(audit)
    logged = {name for record in caplog.records for name in vars(record)}
    counted = {"count", "since"}
    told = {name.replace("-", "_") for event in entries(audit) for name in event.detail}
    assert set() == told - logged - counted


def test_a_reload_that_moves_nothing_switches_no_provider(audit: Audit) -> None:
    """A provider is enabled by its name, whatever else of it has changed."""
    audit.providers_switched(config(a={}), config(a={"priority": 3, "api-key": "sk-other"}))
    assert () == entries(audit)


def test_only_models_that_were_found_are_told_of(audit: Audit) -> None:
    """A provider that lists what it listed before is no news."""
    settings = config(a={"models": None}, b={})
    known = Snapshot.build(settings).registry
    audit.models_registered(Snapshot.build(settings, {"a": ("new-model",)}).registry, known=known)
    [event] = entries(audit)
    ids = event.detail["ids"]
    assert isinstance(ids, tuple)
    assert ("a", "new-model") == (event.provider, ids[-1])


def test_without_a_provider_that_is_said(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    """So that an empty list of models has its reason in the log."""
    with caplog.at_level(logging.INFO, "packyproxy"):
        audit.models_registered(Snapshot.build(config()).registry)
    assert ["no provider is enabled, so no model is registered"] == caplog.messages
    assert [(None, {"models": 0})] == [(event.provider, event.detail) for event in entries(audit)]


def test_the_log_has_the_first_refusal_of_a_minute(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever tries a thousand keys fills neither the log nor the trail."""
    for number in range(1000):
        audit.auth_failed("192.0.2.1", f"req_{number}", has_key=False)
    assert ["a client at 192.0.2.1 showed no key"] == caplog.messages
    [event] = entries(audit)
    assert (1000, "no_key") == (event.detail["count"], event.detail["reason"])


def test_threads_lose_no_event(audit: Audit) -> None:
    """Reloads and event loops may tell of something at the same moment."""

    def tell(name: str) -> None:
        for _ in range(50):
            audit.key_refused(name)
            audit.auth_failed("192.0.2.1", "req", has_key=True)

    threads = [threading.Thread(target=tell, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 200 == len(entries(audit, event="key_refused"))
    [event] = entries(audit, event="auth_failed")
    assert 200 == event.detail["count"]
