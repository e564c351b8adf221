"""What the real Claude Code says when the way to a first answer is broken: the words of docs/first-answer.md."""

from pathlib import Path
from typing import Any

import pytest

from packyproxy.testing import FakeUpstream, Fault
from tests.support.servers import Listener, ServeProcess, free_port, write_config

pytestmark = pytest.mark.client

# First what 2.1.197 says, then 2.1.330.
UNREACHED = ("Unable to connect to API (ConnectionRefused)", "(ECONNREFUSED)")
BROKEN_OFF = (
    "API Error: Upstream stream ended before response.completed",
    "API Error: Server error mid-response",
)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(
            Fault.status(402, "Insufficient balance"), "API Error: 402 Insufficient balance", id="credit"
        ),
        pytest.param(
            Fault.status(403, "no"),
            "Failed to authenticate. API Error: 403 no (provider: packycode)",
            id="403",
        ),
        pytest.param(
            Fault.status(404, "The model 'gpt-5' does not exist", code="model_not_found"),
            "There's an issue with the selected model",
            id="model",
        ),
        pytest.param(
            Fault.html(404), "API Error: 502 the upstream has no Responses endpoint there", id="base-url"
        ),
        pytest.param(
            Fault.status(429, "slow down"), "API Error: Request rejected (429) · slow down", id="rate limit"
        ),
        pytest.param(Fault.end("Hi"), BROKEN_OFF, id="no end"),
    ],
)
async def test_what_the_provider_says(
    fault: Fault, words: str | tuple[str, ...], upstream: FakeUpstream, claude: Any
) -> None:
    """The cause, or at least which part of the set-up it lies in."""
    upstream.script = fault
    run = await claude.run("Say hello.")
    assert (1, True) == (run.exit_code, run.result["result"].startswith(words))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        pytest.param(
            {"ANTHROPIC_BASE_URL": "{url}/v1"}, ("There's an issue with the selected model",), id="/v1"
        ),
        pytest.param(
            {"ANTHROPIC_BASE_URL": "127.0.0.1:{port}"},
            ("cannot be parsed as a URL", "Invalid URL"),
            id="no scheme",
        ),
        pytest.param(
            {"ANTHROPIC_BASE_URL": "https://127.0.0.1:{port}"},
            ("UNKNOWN_CERTIFICATE_VERIFICATION_ERROR", "Unable to connect to API (EPROTO)"),
            id="https",
        ),
        pytest.param(
            {"ANTHROPIC_BASE_URL": "http://127.0.0.1:{free}"},
            UNREACHED,
            id="nobody",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://127.0.0.1:{free}"},
            UNREACHED,
            id="proxy",
        ),
        pytest.param({"ANTHROPIC_AUTH_TOKEN": ""}, ("Not logged in · Please run /login",), id="no key"),
    ],
)
async def test_how_the_shell_is_set_up(
    environment: dict[str, str],
    words: tuple[str, ...],
    upstream: FakeUpstream,
    proxy: ServeProcess,
    claude: Any,
) -> None:
    """Claude Code's own words; the provider is not asked."""
    places = {"url": proxy.url, "port": proxy.port, "free": free_port()}
    variables = {name: value.format(**places) for name, value in environment.items()}
    run = await claude.run("Say hello.", **variables)
    assert (1, True, []) == (
        run.exit_code,
        any(some in run.result["result"] for some in words),
        upstream.requests,
    )


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "Not logged in · Please run /login"),
        (
            {"ANTHROPIC_AUTH_TOKEN": "", "ANTHROPIC_API_KEY": "any-value"},
            "Invalid API key · Fix external API key",
        ),
    ],
    ids=["token", "key"],
)
async def test_a_key_that_is_none_of_the_api_keys(
    variables: dict[str, str], words: str, listener: Listener, tmp_path: Path, claude: Any
) -> None:
    """The words depend on the variable that holds it."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    with ServeProcess(write_config(folder, listener.url, **{"api-keys": ["client-key"]})) as proxy:
        run = await claude.run("Say hello.", **{"ANTHROPIC_BASE_URL": proxy.url, **variables})
    assert words == run.result["result"]


async def test_settings_stand_over_the_shell(
    upstream: FakeUpstream, claude: Any, proxy: ServeProcess
) -> None:
    """The reason for which ``doctor`` reads them."""
    settings = claude.work / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(f'{{"env": {{"ANTHROPIC_BASE_URL": "http://127.0.0.1:{free_port()}"}}}}')
    run = await claude.run("Say hello.")
    assert run.result["result"].endswith(UNREACHED)
    settings.write_text(f'{{"env": {{"ANTHROPIC_BASE_URL": "{proxy.url}"}}}}')
    run = await claude.run("Say hello.", ANTHROPIC_BASE_URL=f"http://127.0.0.1:{free_port()}")
    assert "Hello." == run.result["result"]
