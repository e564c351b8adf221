"""What the environment says about clients that are started in it."""

import pytest

from packyproxy.cli.client_findings import client_findings
from packyproxy.config import Config, Secret

URL = "http://127.0.0.1:8317"
OPEN = Config()
KEYED = Config(api_keys=(Secret("key-canary-1"), Secret("key-canary-2")))


def found(environ: dict[str, str], config: Config = OPEN) -> list[tuple[str, str]]:
    return [(finding.mark, finding.subject) for finding in client_findings(environ, config)]


def shell(**variables: str) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_AUTH_TOKEN": "key-canary-1", **variables}


def test_a_shell_that_is_set_up() -> None:
    """A URL and a token that fit are each found in order."""
    assert [("ok", "ANTHROPIC_BASE_URL"), ("ok", "ANTHROPIC_AUTH_TOKEN")] == found(shell(), KEYED)


def test_a_shell_that_is_not_set_up() -> None:
    """That is no failure, for clients may run elsewhere; the line to set is shown."""
    (finding,) = client_findings({}, OPEN)
    assert ("note", "ANTHROPIC_BASE_URL") == (finding.mark, finding.subject)
    assert finding.text.endswith(f"export ANTHROPIC_BASE_URL={URL}")


@pytest.mark.parametrize(
    ("base_url", "config", "leads_here"),
    [
        (URL, OPEN, True),
        ("http://localhost:8317", OPEN, True),
        ("http://localhost:8317/", OPEN, True),
        ("http://[::1]:8317", OPEN, True),
        ("http://127.0.0.1:8317", Config(host="0.0.0.0"), True),
        ("http://proxy.example:8317", Config(host="proxy.example"), True),
        ("http://127.0.0.1:9000", OPEN, False),
        ("http://127.0.0.1", OPEN, False),
        ("http://127.0.0.1", Config(port=80), True),
        ("https://api.anthropic.com", OPEN, False),
        ("http://127.0.0.1:8317", Config(host="10.0.0.1"), False),
    ],
)
def test_where_the_url_leads(base_url: str, config: Config, leads_here: bool) -> None:
    """Host and port count; every name of this machine is the same host."""
    (mark, _), *_ = found(shell(ANTHROPIC_BASE_URL=base_url), config)
    assert ("ok" if leads_here else "note") == mark


def test_a_url_that_leads_elsewhere_is_shown_without_its_password() -> None:
    """Host and port are enough."""
    (finding,) = client_findings({"ANTHROPIC_BASE_URL": "https://me:canary@relay.example/x"}, OPEN)
    assert (
        "leads to relay.example port 443; this configuration listens on 127.0.0.1 port 8317; "
        f"export ANTHROPIC_BASE_URL={URL}"
    ) == finding.text


@pytest.mark.parametrize(
    "base_url", ["127.0.0.1:8317", "localhost:8317", "http://127.0.0.1:port", "nonsense"]
)
def test_what_is_no_url_cannot_be_meant(base_url: str) -> None:
    """Claude Code fails on it, so there is something to mend."""
    (finding,) = client_findings({"ANTHROPIC_BASE_URL": base_url}, OPEN)
    assert ("failed", f"is no URL that begins with http://; export ANTHROPIC_BASE_URL={URL}") == (
        finding.mark,
        finding.text,
    )


def test_the_proxy_speaks_plain_http() -> None:
    """A client that begins with TLS hears nothing that it understands."""
    finding, *_ = client_findings(shell(ANTHROPIC_BASE_URL="https://127.0.0.1:8317"), OPEN)
    assert ("failed", True) == (finding.mark, "plain HTTP" in finding.text)


def test_a_path_is_one_too_many() -> None:
    """Clients add /v1/messages themselves."""
    assert ("failed", "ANTHROPIC_BASE_URL") in found(shell(ANTHROPIC_BASE_URL=f"{URL}/v1"))


@pytest.mark.parametrize(
    ("environ", "config", "expected"),
    [
        pytest.param({"ANTHROPIC_AUTH_TOKEN": "x"}, OPEN, [("ok", "ANTHROPIC_AUTH_TOKEN")], id="any"),
        pytest.param({"ANTHROPIC_API_KEY": "x"}, OPEN, [("ok", "ANTHROPIC_API_KEY")], id="any as a key"),
        pytest.param({}, OPEN, [("note", "ANTHROPIC_AUTH_TOKEN")], id="none, none needed"),
        pytest.param({"ANTHROPIC_AUTH_TOKEN": " "}, OPEN, [("note", "ANTHROPIC_AUTH_TOKEN")], id="blank"),
        pytest.param({}, KEYED, [("failed", "ANTHROPIC_AUTH_TOKEN")], id="none"),
        pytest.param(
            {"ANTHROPIC_API_KEY": "key-canary-2"}, KEYED, [("ok", "ANTHROPIC_API_KEY")], id="the second"
        ),
        pytest.param(
            {"ANTHROPIC_AUTH_TOKEN": "other"}, KEYED, [("failed", "ANTHROPIC_AUTH_TOKEN")], id="another"
        ),
        pytest.param(
            {"ANTHROPIC_AUTH_TOKEN": "key-canary-1", "ANTHROPIC_API_KEY": "other"},
            KEYED,
            [
                ("ok", "ANTHROPIC_AUTH_TOKEN"),
                ("failed", "ANTHROPIC_API_KEY"),
                ("note", "ANTHROPIC_API_KEY"),
            ],
            id="both",
        ),
    ],
)
def test_the_key_that_clients_show(
    environ: dict[str, str], config: Config, expected: list[tuple[str, str]]
) -> None:
    """It must be one of ``api-keys``, where there are any."""
    _, *keys = found({"ANTHROPIC_BASE_URL": URL, **environ}, config)
    assert expected == keys


def test_no_key_is_shown() -> None:
    """Neither the client's nor one of ours."""
    environ = shell(ANTHROPIC_AUTH_TOKEN="token-canary", ANTHROPIC_API_KEY="key-canary-1")
    assert "canary" not in str(client_findings(environ, KEYED))


@pytest.mark.parametrize(
    "name", ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"]
)
def test_other_clouds_win(name: str) -> None:
    """Claude Code does not look at the URL then."""
    assert ("failed", name) in found(shell(**{name: "1"}))
    assert name not in dict(map(reversed, found(shell(**{name: "0"}))))  # type: ignore[arg-type] # pairs


@pytest.mark.parametrize(
    ("variables", "is_noted"),
    [
        pytest.param({"HTTP_PROXY": "http://p"}, True, id="proxy"),
        pytest.param({"HTTP_PROXY": "http://p", "NO_PROXY": "a, 127.0.0.1"}, False, id="excepted"),
        pytest.param({"http_proxy": "http://p", "no_proxy": "*"}, False, id="all excepted"),
        pytest.param({"HTTP_PROXY": ""}, False, id="blank"),
        pytest.param({"HTTPS_PROXY": "http://p"}, True, id="for https"),
        pytest.param({"ALL_PROXY": "http://p"}, False, id="for all, which Claude Code does not read"),
    ],
)
def test_a_proxy_on_the_way_is_noted(variables: dict[str, str], is_noted: bool) -> None:
    """It cannot reach what is on this machine, and Claude Code asks the one for https too."""
    marks = [mark for mark, subject in found(shell(**variables)) if subject.lower().endswith("_proxy")]
    assert (["note"] if is_noted else []) == marks


def openai_shell(**variables: str) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{URL}/v1", "OPENAI_API_KEY": "key-canary-1", **variables}


@pytest.mark.parametrize("base_url", [URL, f"{URL}/v1", f"{URL}/v1/"])
def test_a_shell_that_is_set_up_for_openais_clients(base_url: str) -> None:
    """A URL with and without ``/v1`` will do; that Anthropic's are not set up stands before it."""
    expected = [("note", "ANTHROPIC_BASE_URL"), ("ok", "OPENAI_BASE_URL"), ("ok", "OPENAI_API_KEY")]
    assert expected == found(openai_shell(OPENAI_BASE_URL=base_url), KEYED)


@pytest.mark.parametrize(
    ("variables", "config", "finding"),
    [
        ({"OPENAI_API_KEY": ""}, OPEN, ("failed", "OPENAI_API_KEY")),
        ({"OPENAI_API_KEY": "other"}, OPEN, ("ok", "OPENAI_API_KEY")),
        ({"OPENAI_API_KEY": "other"}, KEYED, ("failed", "OPENAI_API_KEY")),
        ({"OPENAI_BASE_URL": f"{URL}/v1/chat/completions"}, OPEN, ("failed", "OPENAI_BASE_URL")),
        ({"HTTP_PROXY": "http://p"}, OPEN, ("note", "HTTP_PROXY")),
    ],
    ids=["no-key", "any-key", "wrong-key", "path", "http-proxy"],
)
def test_what_openais_clients_stumble_over(
    variables: dict[str, str], config: Config, finding: tuple[str, str]
) -> None:
    """They do not start without a key, get a 401 for a wrong one, and append paths to any URL."""
    assert finding == found(openai_shell(**variables), config)[-1]


@pytest.mark.parametrize("base_url", ["", "https://api.openai.com/v1"])
def test_nothing_is_said_of_openais_clients_that_go_elsewhere(base_url: str) -> None:
    """That is how most shells are."""
    assert [("note", "ANTHROPIC_BASE_URL")] == found(openai_shell(OPENAI_BASE_URL=base_url))


def test_an_http_proxy_is_told_of_once() -> None:
    """Both families would stumble over the same one."""
    both = found(shell() | openai_shell(HTTP_PROXY="http://p"))
    assert 1 == both.count(("note", "HTTP_PROXY"))
