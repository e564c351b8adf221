"""``packyproxy doctor``: what it prints, and how it ends. Examining providers itself is tested on its own."""

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace

from packyproxy.cli.main import main
from packyproxy.config.reading import discover_config
from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.provider import Provider
from packyproxy.runtime.examination.connection import Step
from packyproxy.runtime.examination.diagnosis import Diagnosis, KeyVerdict
from packyproxy.runtime.examination.trial import Trial
from packyproxy.runtime.runtime import Runtime

WELL = Diagnosis(
    provider="packycode",
    model="gpt-5",
    steps=(Step(name="dns", seconds=0.012), Step(name="tcp", seconds=0.0031), Step(name="tls", seconds=0.04)),
    key="accepted",
    models_listed=3,
    trial=Trial(effort="minimal", first_token_seconds=0.85, input_tokens=31, output_tokens=5),
    quirks=("sends no content-type",),
)


def failing(kind: FailureKind, key: KeyVerdict = "unknown", **facts: Any) -> Diagnosis:
    failure = Failure(kind=kind, **facts)
    return Diagnosis(
        provider="packycode",
        model="gpt-5",
        steps=WELL.steps,
        key=key,
        trial=Trial(effort=None, failure=failure),
        failure=failure,
    )


UNREACHABLE = Diagnosis(
    provider="packycode",
    model="gpt-5",
    steps=(Step(name="dns"), Step(name="tcp", problem="the connection was refused (127.0.0.1 port 9)")),
    failure=Failure(kind=FailureKind.UNREACHABLE, message="the connection was refused (127.0.0.1 port 9)"),
)


@pytest.fixture(autouse=True)
def _no_client_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the variables that clients read out of the environment."""
    for name in (
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_API_KEY",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        return number


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> dict[str, Diagnosis]:
    """Return the diagnoses that are made, by provider."""
    diagnoses = {"packycode": WELL}

    async def diagnose(_: Runtime, provider: Provider) -> Diagnosis:
        return diagnoses[provider.name]

    monkeypatch.setattr("packyproxy.cli.commands.doctor.diagnose", diagnose)
    return diagnoses


def configure(port: int, *, enabled: bool = True, **settings: Any) -> str:
    provider = {
        "enabled": enabled,
        "base-url": "https://a.example/v1",
        "credentials": {"openai-api-key": "sk-canary-key"},
    }
    path = Path("config.yaml")
    path.write_text(json.dumps({"port": port, "packycode": provider, **settings}))
    path.chmod(0o600)
    return str(path.absolute())


@pytest.mark.usefixtures("examined")
def test_all_is_well(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Sections of aligned lines; the exit code says that nothing has failed."""
    path = configure(port)
    assert 0 == main(["doctor"])
    out = capsys.readouterr().out
    assert (
        "asking packycode for two words (a few tokens) ...\n"
        "configuration\n"
        f"  ok  source     {path}\n"
        "  ok  packycode  enabled; config.yaml\n"
        "\n"
        "provider packycode\n"
        "  ok    name        12 ms\n"
        "  ok    connection  3.1 ms\n"
        "  ok    TLS         40 ms\n"
        "  ok    key         accepted\n"
        "  ok    models      3 listed by the provider\n"
        "  ok    answer      gpt-5 at effort minimal: first token after 850 ms, 31 + 5 tokens\n"
        "  note  quirk       sends no content-type\n"
        "\n"
        "address\n"
        f"  ok  127.0.0.1 port {port}  free\n"
    ) in out
    assert out.endswith("\nall is well\n\nnext:\n  packyproxy serve\n")
    assert "canary" not in out


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        pytest.param(
            failing(FailureKind.CREDENTIALS_REJECTED, "refused", status=401, message="Unauthorized"),
            (
                "  failed  key         refused\n"
                "  failed  answer      gpt-5: HTTP 401: Unauthorized\n"
                "  note    what to do  get a valid key from the provider and put it into the configuration\n"
            ),
            id="key",
        ),
        pytest.param(
            failing(FailureKind.UNAVAILABLE, status=503),
            (
                "  note    key         not known: the provider failed for another reason\n"
                "  failed  answer      gpt-5: HTTP 503: the upstream is unavailable\n"
            ),
            id="a failure without words",
        ),
        pytest.param(
            UNREACHABLE,
            (
                "  ok      name        an address, so there is nothing to look up\n"
                "  failed  connection  the connection was refused (127.0.0.1 port 9)\n"
                "  note    what to do  check base-url, proxy-url, the network and any firewall on the way\n"
            ),
            id="connection",
        ),
        pytest.param(
            Diagnosis(
                provider="packycode",
                model="default",
                failure=Failure(kind=FailureKind.MODEL_NOT_FOUND, message="not served"),
            ),
            "  failed  model       not served\n",
            id="model",
        ),
    ],
)
def test_a_provider_that_fails(
    report: Diagnosis,
    expected: str,
    examined: dict[str, Diagnosis],
    port: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What failed, in words, and what to do; the last line names where to look."""
    examined["packycode"] = report
    configure(port)
    assert 1 == main(["doctor"])
    out = capsys.readouterr().out
    assert expected in out
    assert out.endswith("\nsomething to mend: provider packycode\n")


def test_an_answer_without_content(
    examined: dict[str, Diagnosis], port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty answer that ends well is told as it is."""
    examined["packycode"] = Diagnosis(
        provider="packycode", model="gpt-5", steps=WELL.steps, key="not needed", trial=Trial(effort=None)
    )
    configure(port)
    assert 0 == main(["doctor"])
    out = capsys.readouterr().out
    assert "answer      gpt-5: no content, 0 + 0 tokens\n" in out
    assert "key         not needed\n" in out


def test_without_a_provider_there_is_something_to_mend(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is valid, and yet no client can be served."""
    configure(port, enabled=False)
    assert 1 == main(["doctor"])
    out = capsys.readouterr().out
    assert "  ok      packycode  disabled; config.yaml\n" in out
    assert "  failed  providers  none is enabled, so no request can be served" in out
    assert "asking" not in out


@pytest.mark.usefixtures("examined")
def test_odd_settings_are_noted(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The warnings of ``check`` are shown here as well."""
    configure(port, host="0.0.0.0")
    assert 0 == main(["doctor"])
    assert "  note  warning    api-keys: none is configured" in capsys.readouterr().out


@pytest.mark.usefixtures("examined")
def test_notes_on_codex_cli_are_shown(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be taken from its files, and why."""
    loaded = replace(discover_config(configure(port)), notes=("its provider speaks chat only",))
    monkeypatch.setattr("packyproxy.cli.commands.doctor.discover_config", lambda _: loaded)
    assert 0 == main(["doctor"])
    assert "  its provider speaks chat only\n" in capsys.readouterr().out


def test_a_wrong_configuration(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem, and nothing else is looked at."""
    path = configure(port, prot=1)
    assert 2 == main(["doctor"])
    out = capsys.readouterr().out
    assert out.startswith(f"configuration\n          {path}\n  failed  prot: ")


def test_no_configuration_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    """The text says what to do first."""
    assert 2 == main(["doctor"])
    assert "packyproxy init" in capsys.readouterr().err


@pytest.mark.usefixtures("examined")
def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody else's server is something to mend."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        number = server.getsockname()[1]
        configure(number)
        hanging_up = Thread(target=hang_up, args=(server,))
        hanging_up.start()
        assert 1 == main(["doctor"])
        hanging_up.join()
    assert f"  failed  127.0.0.1 port {number}  cannot listen" in capsys.readouterr().out


def hang_up(server: socket.socket) -> None:
    """Take one connection and close it."""
    connection, _ = server.accept()
    connection.close()


class _Named(BaseHTTPRequestHandler):
    body = b"{}"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def named() -> Iterator[HTTPServer]:
    """Yield a server that names itself."""
    with HTTPServer(("127.0.0.1", 0), _Named) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("body", "code", "expected"),
    [
        (
            b'{"name":"packyproxy","version":"9.9"}',
            0,
            "ok  127.0.0.1 port {}  packyproxy 9.9 answers there\n",
        ),
        (b'{"name":"packyproxy","version":"9\\u001b[0m"}', 0, "packyproxy 9[0m answers there\n"),
        (b'{"name":"other","version":"1"}', 1, "failed  127.0.0.1 port {}  cannot listen"),
        (b"<html>", 1, "failed  127.0.0.1 port {}  cannot listen"),
        (b"[]", 1, "failed  127.0.0.1 port {}  cannot listen"),
    ],
    ids=["packyproxy", "control characters", "another", "a page", "a list"],
)
@pytest.mark.usefixtures("examined")
def test_who_has_the_port(
    body: bytes, code: int, expected: str, named: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A running packyproxy is recognised by its name, and is as it should be."""
    _Named.body = body
    configure(named.server_port)
    assert code == main(["doctor"])
    assert expected.format(named.server_port) in capsys.readouterr().out


@pytest.mark.usefixtures("examined")
def test_json_for_programs(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures of each provider beside the findings, and nothing else on stdout."""
    configure(port)
    assert 0 == main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert [
        {
            "name": "packycode",
            "ok": True,
            "model": "gpt-5",
            "effort": "minimal",
            "dns-ms": 12.0,
            "tcp-ms": 3.1,
            "tls-ms": 40.0,
            "first-token-ms": 850.0,
            "input-tokens": 31,
            "output-tokens": 5,
            "key": "accepted",
            "models-listed": 3,
            "quirks": ["sends no content-type"],
            "failure": None,
            "status": None,
            "next-step": "",
        }
    ] == report["providers"]
    assert ["configuration", "provider packycode", "address", "clients in this shell"] == [
        section["title"] for section in report["sections"]
    ]


def test_json_of_a_provider_that_fails(
    examined: dict[str, Diagnosis], port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kind and status of the failure, and the exit code."""
    examined["packycode"] = failing(FailureKind.UNAVAILABLE, status=503)
    configure(port)
    assert 1 == main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    (provider,) = report["providers"]
    assert (False, "unavailable", 503) == (report["ok"], provider["failure"], provider["status"])


def test_json_of_a_wrong_configuration(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The problems, as ``check`` gives them."""
    configure(port, prot=1)
    assert 2 == main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (False, ["prot"]) == (report["ok"], [problem["field"] for problem in report["problems"]])
