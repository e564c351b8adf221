"""What is noted of providers as their attempts end."""

from typing import Any

import pytest

from packyproxy.errors import Failure, FailureKind
from packyproxy.runtime.observation.provider_notes import LastError, ProviderNotebook, ProviderNotes
from packyproxy.usage.records import AttemptRecord
from tests.support import records

_SENT_AT = 1_000_000.0
_ENDED_AT = 1_000_002.0
_NOTHING = ProviderNotes()
_ACCEPTED = ProviderNotes(is_key_accepted=True, key_checked_at=_ENDED_AT)
_OVERLOADED = LastError(kind=FailureKind.OVERLOADED, status=529, at=_ENDED_AT)
_REFUSED = LastError(kind=FailureKind.CREDENTIALS_REJECTED, status=401, at=_ENDED_AT)


def attempt(**fields: Any) -> AttemptRecord:
    """Return the record of an attempt at provider ``p1`` that ended after two seconds, without output."""
    facts = {"provider_id": "p1", "sent_at": _SENT_AT, "duration_seconds": _ENDED_AT - _SENT_AT}
    return records.attempt(**{**facts, "first_output_seconds": None, **fields})


def noted(*attempts: AttemptRecord) -> ProviderNotes:
    """Return what is known of ``p1`` after some attempts."""
    notebook = ProviderNotebook()
    for record in attempts:
        notebook.note(record)
    return notebook.of("p1")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"first_output_seconds": 0.5}, _ACCEPTED, id="answered"),
        pytest.param({}, _ACCEPTED, id="answered with nothing"),
        pytest.param({"is_cut_off": True}, _NOTHING, id="left before any output"),
        pytest.param({"is_cut_off": True, "first_output_seconds": 0.5}, _ACCEPTED, id="left amid the answer"),
        pytest.param(
            {"failure": FailureKind.OVERLOADED, "status": 529},
            ProviderNotes(last_error=_OVERLOADED),
            id="failed",
        ),
        pytest.param(
            {"failure": FailureKind.CREDENTIALS_REJECTED, "status": 401},
            ProviderNotes(last_error=_REFUSED, is_key_accepted=False, key_checked_at=_ENDED_AT),
            id="key refused",
        ),
        pytest.param(
            {"failure": FailureKind.TRUNCATED, "first_output_seconds": 0.5},
            ProviderNotes(
                last_error=LastError(kind=FailureKind.TRUNCATED, status=None, at=_ENDED_AT),
                is_key_accepted=True,
                key_checked_at=_ENDED_AT,
            ),
            id="failed amid the answer",
        ),
    ],
)
def test_what_one_attempt_tells(fields: dict[str, Any], expected: ProviderNotes) -> None:
    """Output proves the key good, its refusal proves it bad, and any failure is the last one."""
    assert expected == noted(attempt(**fields))


def test_the_last_error_outlives_a_success() -> None:
    """An operator who looks after the incident still sees what it was."""
    failed = attempt(failure=FailureKind.OVERLOADED, status=529)
    answered = attempt(sent_at=_SENT_AT + 10)
    expected = ProviderNotes(last_error=_OVERLOADED, is_key_accepted=True, key_checked_at=_ENDED_AT + 10)
    assert expected == noted(failed, answered)


def test_a_failure_of_another_kind_leaves_the_verdict_on_the_key() -> None:
    """An overloaded upstream says nothing about the key."""
    failed = attempt(sent_at=_SENT_AT + 10, failure=FailureKind.OVERLOADED, status=529)
    notes = noted(attempt(), failed)
    assert (True, _ENDED_AT) == (notes.is_key_accepted, notes.key_checked_at)


def test_providers_are_told_apart_by_id() -> None:
    """With another key a provider has another id, and nothing is known of it."""
    notebook = ProviderNotebook()
    notebook.note(attempt())
    assert _NOTHING == notebook.of("p2")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        pytest.param(None, _ACCEPTED, id="answered"),
        pytest.param(
            Failure(kind=FailureKind.CREDENTIALS_REJECTED, status=401),
            ProviderNotes(last_error=_REFUSED, is_key_accepted=False, key_checked_at=_ENDED_AT),
            id="key refused",
        ),
    ],
)
def test_requests_of_our_own_count_too(failure: Failure | None, expected: ProviderNotes) -> None:
    """A probe tells as much as a client's request."""
    notebook = ProviderNotebook()
    notebook.note_trial("p1", failure, at=_ENDED_AT)
    assert expected == notebook.of("p1")


def test_the_longest_silent_provider_is_forgotten_first() -> None:
    """There is room for 1024 providers."""
    notebook = ProviderNotebook()
    for number in range(1024):
        notebook.note(attempt(provider_id=f"p{number}"))
    notebook.note(attempt(provider_id="p0"))
    notebook.note(attempt(provider_id="new"))
    known = {name: notebook.of(name) != _NOTHING for name in ("p0", "p1", "p2", "new")}
    assert {"p0": True, "p1": False, "p2": True, "new": True} == known


def test_latency_is_of_all_models_and_of_the_last_minutes() -> None:
    """A moving average of the time to the first output; attempts without any have no part in it."""
    notebook = ProviderNotebook()
    notebook.note(attempt(model="gpt-5", first_output_seconds=2.0))
    notebook.note(attempt(model="gpt-5-mini", first_output_seconds=1.0))
    notebook.note(attempt(failure=FailureKind.OVERLOADED))
    found = [notebook.latency_seconds("p1", _ENDED_AT + later) for later in (299, 300)]
    assert [1.7, None] == found


@pytest.mark.parametrize("order", ["+-+", "-+-", "+.-", "-.+", "++-", "-++", "."])
def test_several_attempts_are_noted_as_one_by_one(order: str) -> None:
    """Whatever the order of successes, failures and empty cut-offs, the same is known in the end."""
    kinds: dict[str, dict[str, Any]] = {
        "+": {"first_output_seconds": 0.5},
        "-": {"failure": FailureKind.CREDENTIALS_REJECTED, "status": 401},
        ".": {"is_cut_off": True},
    }
    attempts = [attempt(sent_at=_SENT_AT + second, **kinds[kind]) for second, kind in enumerate(order)]
    together = ProviderNotebook()
    together.note(*attempts)
    assert noted(*attempts) == together.of("p1")
