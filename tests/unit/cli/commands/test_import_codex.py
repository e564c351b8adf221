"""``packyproxy import-codex``: the provider of the Codex CLI in ``config.yaml``."""

from collections.abc import Callable
from pathlib import Path

import pytest

from packyproxy.cli.main import main
from packyproxy.config import ProviderConfig, Secret, parse_config

WriteConfig = Callable[[str], Path]
WriteCodex = Callable[[str], Path]

RELAY = """\
model_provider = "relay one!"
model = "gpt-5.1-codex"
model_reasoning_effort = "medium"
[model_providers."relay one!"]
base_url = "https://relay.example/v1"
experimental_bearer_token = "sk-canary-of-codex-1234"
http_headers = { x-team = "canary-header" }
"""

KEYLESS = """\
model_provider = "relay"
[model_providers.relay]
base_url = "https://relay.example/v1"
"""


@pytest.fixture
def write_codex(tmp_path: Path) -> WriteCodex:
    def write(text: str) -> Path:
        path = tmp_path / ".codex" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def only_provider(path: Path) -> ProviderConfig:
    (provider,) = parse_config(path.read_text()).providers
    return provider


def test_the_mapping_is_shown_and_nothing_is_written(
    write_codex: WriteCodex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each key of Codex stands beside ours with its value, and the block as it would be; secrets are masked."""
    codex = write_codex(RELAY)
    assert 0 == main(["import-codex"])
    path = tmp_path / "config.yaml"
    assert (
        f"""\
found in {codex}:
  Codex CLI               config.yaml                                value
  base_url                packycode.base-url                         https://relay.example/v1
  its key                 packycode.credentials.openai-api-key       ***1234
  model                   packycode.defaults.model                   gpt-5.1-codex
  model_reasoning_effort  packycode.defaults.model-reasoning-effort  medium
  http_headers.x-team     packycode.headers.x-team                   ***

new in {path}:

packycode:
  enabled: true
  base-url: "https://relay.example/v1"
  credentials:
    openai-api-key: "***1234"
  defaults:
    model: "gpt-5.1-codex"
    model-reasoning-effort: "medium"
  headers:
    x-team: "***ader"

nothing was written; packyproxy import-codex --write does that
"""
        == capsys.readouterr().out
    )
    assert not path.exists()


def test_a_new_file_holds_the_provider(
    write_codex: WriteCodex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a file one is made, for its owner alone; what is printed holds no secret."""
    write_codex(RELAY)
    assert 0 == main(["import-codex", "--write"])
    path = tmp_path / "config.yaml"
    provider = only_provider(path)
    assert (True, "https://relay.example/v1", Secret("sk-canary-of-codex-1234")) == (
        provider.enabled,
        provider.base_url,
        provider.api_key,
    )
    assert ("gpt-5.1-codex", "medium", {"x-team": "canary-header"}) == (
        provider.defaults.model,
        provider.defaults.effort,
        dict(provider.headers),
    )
    assert 0o600 == path.stat().st_mode & 0o777
    output = capsys.readouterr().out
    assert output.endswith(f"wrote {path}\nnext:\n  packyproxy check\n")
    assert "canary" not in output


def test_an_existing_block_is_changed_in_place(
    write_codex: WriteCodex, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values are replaced, comments and other settings stay, and each change is shown."""
    write_codex(RELAY)
    path = write_config(
        "packycode:   # mine\n"
        "  enabled: true\n"
        "  base-url: 'https://relay.example/v1'   # same\n"
        "  credentials: {openai-api-key: old-canary-key}   # key\n"
        "  priority: 3\n"
    )
    assert 0 == main(["import-codex", "--write"])
    assert (
        "packycode:   # mine\n"
        "  enabled: true\n"
        "  base-url: 'https://relay.example/v1'   # same\n"
        "  credentials: {openai-api-key: sk-canary-of-codex-1234}   # key\n"
        "  priority: 3\n"
        "  defaults:\n"
        '    model: "gpt-5.1-codex"\n'
        '    model-reasoning-effort: "medium"\n'
        "  headers:\n"
        '    x-team: "canary-header"\n'
    ) == path.read_text()
    output = capsys.readouterr().out
    assert (
        f"""\
changes in {path}:
  packycode.credentials.openai-api-key: ***-key -> ***1234
  packycode.defaults.model: gpt-5 -> gpt-5.1-codex
  packycode.defaults.model-reasoning-effort: high -> medium
  packycode.headers[x-team]: added
"""
        in output
    )
    assert "canary" not in output


def test_importing_twice_changes_nothing(
    write_codex: WriteCodex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run finds its own work."""
    write_codex(RELAY)
    main(["import-codex", "--write"])
    before = (tmp_path / "config.yaml").stat()
    capsys.readouterr()
    assert 0 == main(["import-codex", "--write"])
    assert "says the same already\n\nthere was nothing to write" in capsys.readouterr().out
    assert before.st_ino == (tmp_path / "config.yaml").stat().st_ino


def test_the_list_gets_one_more_entry(
    write_codex: WriteCodex, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a tppc provider it has a name that is safe in URLs and logs, and stands behind the others."""
    write_codex(RELAY)
    path = write_config("tppc:\n  providers:\n    - name: b\n")
    assert 0 == main(["import-codex", "--write", "--target", "tppc"])
    providers = parse_config(path.read_text()).providers
    assert [("b", False), ("relay-one", True)] == [
        (provider.name, provider.enabled) for provider in providers
    ]
    assert Secret("sk-canary-of-codex-1234") == providers[1].api_key
    assert "tppc.providers[1].api-key" in capsys.readouterr().out


def test_an_entry_of_the_list_is_found_by_its_name(
    write_codex: WriteCodex, write_config: WriteConfig
) -> None:
    """Case does not count, as it does not for names elsewhere."""
    write_codex(RELAY)
    path = write_config("tppc:\n  providers:\n    - {name: Relay-One, weight: 2}\n")
    assert 0 == main(["import-codex", "--write", "--target", "tppc"])
    provider = only_provider(path)
    assert ("Relay-One", 2, True) == (provider.name, provider.weight, provider.enabled)


def test_a_key_does_not_follow_to_another_host(write_codex: WriteCodex, write_config: WriteConfig) -> None:
    """A provider that needs no key gets none of those that the block held for another address."""
    write_codex(KEYLESS)
    path = write_config(
        "packycode:\n"
        "  base-url: https://other.example/v1\n"
        "  credentials: {openai-api-key: canary}\n"
        "  headers: {authorization: canary}\n"
    )
    assert 0 == main(["import-codex", "--write"])
    provider = only_provider(path)
    assert (None, {}, False) == (provider.api_key, dict(provider.headers), provider.requires_openai_auth)
    assert "canary" not in path.read_text()


def test_a_key_that_is_not_found_is_said(
    write_codex: WriteCodex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Codex would take it from a variable that is not set here: the note says which, and nothing is written."""
    write_codex(KEYLESS + 'env_key = "RELAY_KEY"\n')
    assert 2 == main(["import-codex", "--write"])
    printed = capsys.readouterr()
    assert "its key    packycode.credentials.openai-api-key  (not found)" in printed.out
    assert "note: " in printed.out
    assert "RELAY_KEY" in printed.out
    assert printed.err.startswith("packycode.credentials.openai-api-key: is missing")
    assert not (tmp_path / "config.yaml").exists()


def test_a_block_that_needed_no_key_needs_one_again(
    write_codex: WriteCodex, write_config: WriteConfig
) -> None:
    """The switch follows the provider."""
    write_codex(RELAY)
    path = write_config("packycode:\n  requires-openai-auth: false\n")
    assert 0 == main(["import-codex", "--write"])
    assert only_provider(path).requires_openai_auth


def test_a_result_that_would_be_refused_is_not_written(
    write_codex: WriteCodex, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """A problem elsewhere in the file is told, and the file stays."""
    write_codex(RELAY)
    path = write_config("port: x\n")
    assert 2 == main(["import-codex", "--write"])
    assert "port: is text, not a whole number" in capsys.readouterr().err
    assert "port: x\n" == path.read_text()


def test_a_file_that_is_no_yaml_is_left_alone(
    write_codex: WriteCodex, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its problem is told with its line."""
    write_codex(RELAY)
    write_config("port: [\n")
    assert 2 == main(["import-codex"])
    assert "line 2, column 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codex", "reason"),
    [
        (None, "there is no config.toml in"),
        ('model = "gpt-5"\n', "config.toml: OpenAI itself is selected, which is no third-party provider"),
    ],
    ids=["not-installed", "openai"],
)
def test_without_a_provider_there_is_nothing_to_import(
    codex: str | None, reason: str, write_codex: WriteCodex, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text says why, and the exit code is 1."""
    if codex is not None:
        write_codex(codex)
    assert 1 == main(["import-codex"])
    assert f"packyproxy: there is nothing to import: {reason}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["port: x\n", "- a\n", "packycode: on\n"], ids=["setting", "list", "block"])
def test_what_could_not_be_written_is_refused_before(
    text: str, write_codex: WriteCodex, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --write the result is validated too, so nobody is told to write what would be refused."""
    write_codex(RELAY)
    write_config(text)
    assert 2 == main(["import-codex"])
    assert "nothing was written" not in capsys.readouterr().out


def test_the_proxy_does_not_import_itself(
    write_codex: WriteCodex, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Codex CLI may be a client of this very proxy; a provider at that address would ask itself without end."""
    write_codex(RELAY.replace("https://relay.example/v1", "http://127.0.0.1:9000/v1"))
    path = write_config("port: 9000\n")
    assert 1 == main(["import-codex", "--write"])
    assert "the provider of the Codex CLI is this proxy itself" in capsys.readouterr().err
    assert "port: 9000\n" == path.read_text()


def test_what_the_file_says_already_is_not_to_be_written(
    write_codex: WriteCodex, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is sent to write what would change nothing."""
    write_codex(RELAY)
    main(["import-codex", "--write"])
    capsys.readouterr()
    assert 0 == main(["import-codex"])
    assert capsys.readouterr().out.endswith("config.yaml says the same already\n")


def test_a_name_that_the_packycode_block_has(
    write_codex: WriteCodex, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two ways on are named, and the second one leads to the import that was wanted."""
    write_codex(RELAY.replace("relay one!", "packycode"))
    main(["import-codex", "--write"])
    capsys.readouterr()
    assert 2 == main(["import-codex", "--target", "tppc"])
    error = capsys.readouterr().err
    assert "--target packycode, or move it to the list first: packyproxy migrate --write\n" in error
    assert [0, 0] == [main(["migrate", "--write"]), main(["import-codex", "--target", "tppc"])]
