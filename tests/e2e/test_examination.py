"""Examining a provider over real sockets: what is measured, what is found, and how failures are told."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest

from packyproxy.config import config_from_mapping
from packyproxy.errors import FailureKind
from packyproxy.runtime.examination.diagnosis import Diagnosis, diagnose
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing import FakeUpstream, Fault, ReceivedRequest, Stream, Turn
from tests.support.servers import PROVIDER_KEY, Listener, free_port

pytestmark = pytest.mark.e2e

UNUSUAL = (
    b'data: {"type":"response.created","response":{}}\n\n'
    b'data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message","role":"assistant",'
    b'"content":[{"type":"output_text","text":"OK"}]}}\n\n'
    b'data: {"type":"response.completed","response":{"status":"completed"}}\n\n'
)


async def examine(url: str, **changes: Any) -> Diagnosis:
    """Examine one provider at a URL."""
    provider = {
        "enabled": True,
        "base-url": f"{url}/v1",
        "credentials": {"openai-api-key": PROVIDER_KEY},
        **changes,
    }
    runtime = Runtime(config_from_mapping({"packycode": provider}))
    try:
        return await diagnose(runtime, runtime.snapshot.providers["packycode"])
    finally:
        await runtime.aclose()


async def test_a_provider_that_is_well(upstream: FakeUpstream, listener: Listener) -> None:
    """Every step is timed, the key accepted, and the first token measured."""
    upstream.script = Turn("OK", reasoning=["Greet."])
    diagnosis = await examine(listener.url)
    trial = diagnosis.trial
    assert (None, "accepted", 3, ()) == (
        diagnosis.failure,
        diagnosis.key,
        diagnosis.models_listed,
        diagnosis.quirks,
    )
    assert ["dns", "tcp"] == [step.name for step in diagnosis.steps]
    assert trial is not None
    assert trial.first_token_seconds is not None
    assert 0 < trial.first_token_seconds < 10
    assert (True, True) == (trial.input_tokens > 0, trial.output_tokens > 0)
    assert ("", "") == (diagnosis.failure_text, diagnosis.next_step)


async def test_it_asks_for_little(upstream: FakeUpstream, listener: Listener) -> None:
    """One short request at the lowest effort, for the model that claude-* names get, and nothing is stored."""
    await examine(listener.url, defaults={"model": "gpt-5-high"})
    (request,) = upstream.requests
    assert ("gpt-5", "minimal") == (request.body["model"], request.body["reasoning"]["effort"])
    assert (False, "Reply with OK") == (request.body["store"], request.last_text)


async def test_the_default_model_need_not_be_listed(upstream: FakeUpstream, listener: Listener) -> None:
    """It is asked for as clients' claude-* names are served."""
    upstream.script = "OK"
    diagnosis = await examine(listener.url, models=["gpt-5.1"], defaults={"model": "gpt-5.2"})
    assert ("gpt-5.2", None) == (diagnosis.model, diagnosis.failure)


async def test_refusals_are_mended_and_named(upstream: FakeUpstream, listener: Listener) -> None:
    """A provider that takes less than its model's list serves, and the diagnosis says what it refused."""

    def answer(request: ReceivedRequest) -> Fault | str:
        if request.body["reasoning"]["effort"] == "minimal":
            return Fault.answer(
                400,
                {
                    "error": {
                        "message": "Unsupported value: 'minimal' is not supported with this model.",
                        "type": "invalid_request_error",
                        "param": "reasoning.effort",
                        "code": "unsupported_value",
                    }
                },
            )
        return "OK"

    upstream.script = answer
    diagnosis = await examine(listener.url)
    assert (None, ("refuses the effort minimal for gpt-5",)) == (diagnosis.failure, diagnosis.quirks)
    assert diagnosis.trial
    assert "low" == diagnosis.trial.effort


async def test_unusual_answers_are_named(upstream: FakeUpstream, listener: Listener) -> None:
    """What is mended on the way, so that no client notices, is told to the operator."""
    headers = {"content-encoding": "gzip"}
    upstream.script = Stream(gzip.compress(UNUSUAL), headers=headers)
    diagnosis = await examine(listener.url)
    assert diagnosis.failure is None
    assert (
        "sends no content-type",
        "compresses the answer although it was asked not to",
        "repeats no output in response.completed",
        "reports no token usage",
    ) == diagnosis.quirks


@pytest.mark.parametrize(
    ("script", "kind", "key", "text"),
    [
        pytest.param(Fault.unauthorized(), FailureKind.CREDENTIALS_REJECTED, "refused", "", id="key"),
        pytest.param(
            Fault.usage_limit(resets_in_seconds=60), FailureKind.QUOTA, "unknown", "limit", id="quota"
        ),
        pytest.param(Fault.html(), FailureKind.SERVER_ERROR, "unknown", "", id="HTML"),
        pytest.param(Fault.empty(), FailureKind.TRUNCATED, "unknown", "ended before", id="nothing"),
        pytest.param(
            Fault.cut("OK", after_events=2), FailureKind.TRUNCATED, "unknown", "ended before", id="cut"
        ),
        pytest.param(Fault.overloaded(), FailureKind.OVERLOADED, "unknown", "", id="overload"),
        pytest.param(Fault.failed(), FailureKind.SERVER_ERROR, "unknown", "", id="failed"),
        pytest.param(
            Stream(b"no gzip", headers={"content-encoding": "gzip"}),
            FailureKind.BAD_STREAM,
            "unknown",
            "",
            id="gzip",
        ),
    ],
)
async def test_failures_are_told(
    script: Any, kind: FailureKind, key: str, text: str, upstream: FakeUpstream, listener: Listener
) -> None:
    """The kind, the words, what became of the key, and what to do."""
    upstream.script = script
    diagnosis = await examine(listener.url)
    assert diagnosis.failure is not None
    assert (kind, key) == (diagnosis.failure.kind, diagnosis.key)
    assert text in diagnosis.failure_text
    assert (True, True) == (bool(diagnosis.failure_text), bool(diagnosis.next_step))


async def test_a_refused_key_is_not_shown(upstream: FakeUpstream, listener: Listener) -> None:
    """A provider that quotes the key does not get it into the diagnosis."""
    upstream.script = Fault.status(401, f"bad key {PROVIDER_KEY}")
    diagnosis = await examine(listener.url)
    assert "bad key" in diagnosis.failure_text
    assert PROVIDER_KEY not in diagnosis.failure_text


async def test_without_a_key_none_is_judged(upstream: FakeUpstream, listener: Listener) -> None:
    """``requires-openai-auth: false`` sends none."""
    upstream.script = "OK"
    diagnosis = await examine(listener.url, **{"requires-openai-auth": False})
    assert ("not needed", None) == (diagnosis.key, diagnosis.failure)


async def test_nobody_listens() -> None:
    """A way that leads nowhere is a failure without a request."""
    diagnosis = await examine(f"http://127.0.0.1:{free_port()}")
    assert diagnosis.failure is not None
    assert (FailureKind.UNREACHABLE, None) == (diagnosis.failure.kind, diagnosis.trial)
    assert "refused" in diagnosis.failure_text


async def test_a_model_that_is_mapped_away(upstream: FakeUpstream, listener: Listener) -> None:
    """Where the operator's map leaves a provider nothing to be asked for, that is the failure."""
    provider = {
        "enabled": True,
        "base-url": f"{listener.url}/v1",
        "credentials": {"openai-api-key": PROVIDER_KEY},
        "models": ["gpt-5"],
    }
    runtime = Runtime(config_from_mapping({"packycode": provider, "model-map": {"*": "gpt-6"}}))
    diagnosis = await diagnose(runtime, runtime.snapshot.providers["packycode"])
    assert diagnosis.failure is not None
    assert (FailureKind.MODEL_NOT_FOUND, [], ()) == (
        diagnosis.failure.kind,
        upstream.requests,
        diagnosis.steps,
    )


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """Yield the URL of a server that takes requests and never answers."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_silence_has_an_end(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that never answers is given up."""
    monkeypatch.setattr("packyproxy.runtime.model_list._ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("packyproxy.runtime.examination.trial._ANSWER_SECONDS", 0.1)
    diagnosis = await examine(silent)
    assert diagnosis.failure is not None
    assert FailureKind.HEADERS_TIMEOUT == diagnosis.failure.kind


async def test_a_stream_that_stalls_has_an_end(
    upstream: FakeUpstream, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise, with the first token known by then."""
    monkeypatch.setattr("packyproxy.runtime.examination.trial._ANSWER_SECONDS", 0.5)
    upstream.script = Fault.stall("OK or not", after_events=5)
    diagnosis = await examine(listener.url)
    assert diagnosis.failure is not None
    assert FailureKind.IDLE_TIMEOUT == diagnosis.failure.kind
    assert diagnosis.trial
    assert diagnosis.trial.first_token_seconds is not None
