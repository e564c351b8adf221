"""Which source each setting of the ``packycode`` block is taken from."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.config import (
    Ambient,
    Config,
    ProviderConfig,
    Secret,
    config_from_mapping,
    discover_config,
    load_config,
    parse_config,
    process_ambient,
)
from packyproxy.config.codex_files import CodexProvider, CodexReading
from packyproxy.config.document import Document, Plain
from packyproxy.config.secret import HeaderMap
from packyproxy.config.sources import VARIABLES, complete, complete_alone
from packyproxy.config.validate import validate
from packyproxy.errors import ConfigError

URL = "https://relay.example/v1"
CODEX = CodexProvider(
    name="relay", base_url=URL, key=Secret("codex-key"), model="codex-model", effort="low", requires_key=True
)
KEYLESS = CodexProvider(name="relay", base_url=URL, key=None, model=None, effort=None, requires_key=False)
FULL_ENVIRONMENT = {
    "PACKYCODE_ENABLED": "true",
    "PACKYCODE_BASE_URL": "https://env.example/v1",
    "PACKYCODE_API_KEY": "env-key",
    "PACKYCODE_MODEL": "env-model",
    "PACKYCODE_MODEL_REASONING_EFFORT": "medium",
}


def load(
    path: Path, text: str, codex: CodexProvider | None = None, *, environ: Mapping[str, str] | None = None
) -> Config:
    """Read a file within made-up surroundings."""
    path = path / "config.yaml"
    path.write_text(text)
    return load_config(path, ambient=Ambient(environ or {}, CodexReading(provider=codex)))


def packycode_of(config: Config) -> ProviderConfig:
    (provider,) = config.providers
    return provider


def settings_of(provider: ProviderConfig) -> tuple[object, ...]:
    key = provider.api_key.reveal() if provider.api_key else None
    return provider.enabled, provider.base_url, key, provider.defaults.model, provider.defaults.effort


def problems_of(
    path: Path, text: str, codex: CodexProvider | None = None, *, environ: Mapping[str, str] | None = None
) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load(path, text, codex, environ=environ)
    return [str(problem) for problem in refusal.value.problems]


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    """Every variable reaches its setting, and each setting knows its source."""
    provider = packycode_of(load(tmp_path, "", environ=FULL_ENVIRONMENT))
    assert (True, "https://env.example/v1", "env-key", "env-model", "medium") == settings_of(provider)
    assert dict.fromkeys(VARIABLES, "env") == provider.sources


def test_the_file_beats_the_environment(tmp_path: Path) -> None:
    """What the file says is not overridden, whatever the variables say."""
    text = """
    packycode:
      enabled: false
      base-url: "https://file.example"
      defaults: {model: file-model, model-reasoning-effort: xhigh}
      credentials: {openai-api-key: file-key}
    """
    provider = packycode_of(load(tmp_path, text, CODEX, environ=FULL_ENVIRONMENT))
    assert (False, "https://file.example", "file-key", "file-model", "xhigh") == settings_of(provider)
    assert dict.fromkeys(VARIABLES, "config.yaml") == provider.sources


def test_the_environment_beats_codex(tmp_path: Path) -> None:
    """Of the same provider, what the variables leave open is Codex CLI's."""
    environ = {"PACKYCODE_ENABLED": "1", "PACKYCODE_API_KEY": "env-key", "PACKYCODE_MODEL": "env-model"}
    provider = packycode_of(load(tmp_path, "", CODEX, environ=environ))
    assert (True, URL, "env-key", "env-model", "low") == settings_of(provider)
    expected = {
        "enabled": "env",
        "credentials.openai-api-key": "env",
        "defaults.model": "env",
        "base-url": "codex-cli",
        "defaults.model-reasoning-effort": "codex-cli",
    }
    assert expected == provider.sources


@pytest.mark.parametrize(
    "text",
    [
        "packycode:\n  base-url: ''\n  credentials:\n  defaults: {model: ' '}",
        "packycode: {enabled: , credentials: {openai-api-key: '  '}, defaults: ''}",
        "packycode:",
    ],
)
def test_blank_counts_as_absent(tmp_path: Path, text: str) -> None:
    """An empty value in the file, as the example has them, leaves the setting to the other sources."""
    provider = packycode_of(load(tmp_path, text, environ=FULL_ENVIRONMENT))
    assert (True, "https://env.example/v1", "env-key", "env-model", "medium") == settings_of(provider)


def test_blank_variables_count_as_absent(tmp_path: Path) -> None:
    """A variable that is set to nothing says nothing."""
    config = load(tmp_path, "debug: true", environ=dict.fromkeys(VARIABLES.values(), " "))
    assert () == config.providers


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("YES", True), ("on", True), ("1", True), ("False", False), ("no", False), ("0", False)],
)
def test_a_switch_in_the_environment_takes_the_usual_words(tmp_path: Path, text: str, expected: bool) -> None:
    """Variables hold text only, so the case and the choice of word do not matter."""
    environ = FULL_ENVIRONMENT | {"PACKYCODE_ENABLED": text}
    assert expected == packycode_of(load(tmp_path, "", environ=environ)).enabled


def test_problems_name_the_variable(tmp_path: Path) -> None:
    """Whoever reads the problem knows that it is not in the file, and none repeats the value."""
    environ = {
        "PACKYCODE_ENABLED": "maybe",
        "PACKYCODE_BASE_URL": "canary",
        "PACKYCODE_API_KEY": "a canary",
        "PACKYCODE_MODEL": "a canary",
        "PACKYCODE_MODEL_REASONING_EFFORT": "hihg",
    }
    expected = {
        "packycode.enabled: not a truth value (from $PACKYCODE_ENABLED)",
        "packycode.base-url: not an http(s) URL (from $PACKYCODE_BASE_URL)",
        (
            "packycode.credentials.openai-api-key: holds blanks or characters that an HTTP header cannot carry "
            "(from $PACKYCODE_API_KEY)"
        ),
        "packycode.defaults.model: not a model name (from $PACKYCODE_MODEL)",
        "packycode.defaults.model-reasoning-effort: not a known value (from $PACKYCODE_MODEL_REASONING_EFFORT)",
    }
    problems = problems_of(tmp_path, "", environ=environ)
    assert expected == {problem.rpartition(": ")[0] for problem in problems}
    assert "canary" not in "".join(problems)


def test_all_sources_are_judged_at_once(tmp_path: Path) -> None:
    """Problems of the file and of the variables come together; those without a line come first."""
    problems = problems_of(tmp_path, "port: x\nhost: 5\n", environ={"PACKYCODE_MODEL": "a b"})
    assert ["packycode.defaults.model", "port", "host"] == [problem.partition(":")[0] for problem in problems]


def test_an_unreadable_file_is_not_replaced_by_other_sources(tmp_path: Path) -> None:
    """A file that is named but cannot be understood is an error, whatever else there is."""
    assert 1 == len(problems_of(tmp_path, "{", environ=FULL_ENVIRONMENT))
    assert ["config.yaml: is a list, not a mapping: write key: value lines under it"] == problems_of(
        tmp_path, "[]", environ=FULL_ENVIRONMENT
    )
    assert ["packycode: is text, not a mapping: write key: value lines under it"] == problems_of(
        tmp_path, "packycode: x", environ=FULL_ENVIRONMENT
    )


def test_a_part_of_the_wrong_type_is_still_a_problem(tmp_path: Path) -> None:
    """A variable does not paper over what is wrong in the file."""
    problems = problems_of(tmp_path, "packycode: {credentials: key}", environ=FULL_ENVIRONMENT)
    assert problems[0].startswith("packycode.credentials: is text, not a mapping")


def test_a_block_that_the_environment_switches_on_may_clash(tmp_path: Path) -> None:
    """The error says what enabled the block that the file does not even have."""
    text = f"tppc: {{providers: [{{name: Packycode, enabled: true, base-url: '{URL}', api-key: k}}]}}"
    expected = (
        "tppc.providers[0].name: the packycode block, which is enabled too, has this name (case does not count); "
        "it is enabled by $PACKYCODE_ENABLED: disable the block or this entry, or give this entry another name"
    )
    assert [expected] == problems_of(tmp_path, text, environ=FULL_ENVIRONMENT)


ON = "packycode: {enabled: true}"
AT_CODEX = f"packycode: {{enabled: true, base-url: '{URL.upper().replace('V1', 'v1')}/'}}"
ELSEWHERE = (
    "packycode: {enabled: true, base-url: 'https://other.example/v1', credentials: {openai-api-key: k}}"
)


@pytest.mark.parametrize(
    ("text", "codex", "expected"),
    [
        (ON, CODEX, (True, URL, "codex-key", "codex-model", "low")),
        (AT_CODEX, CODEX, (True, URL, "codex-key", "codex-model", "low")),
        (ELSEWHERE, CODEX, (True, "https://other.example/v1", "k", "gpt-5", "high")),
        ("packycode: {enabled: false}", CODEX, (False, "", None, "gpt-5", "high")),
        ("packycode: {weight: 1}", CODEX, (False, "", None, "gpt-5", "high")),
        (ON, KEYLESS, (True, URL, None, "gpt-5", "high")),
        (
            "packycode: {enabled: true, requires-openai-auth: false}",
            CODEX,
            (True, URL, None, "codex-model", "low"),
        ),
    ],
    ids=["all", "same URL", "another URL", "off", "not on", "keyless", "no key wanted"],
)
def test_codex_completes_its_own_provider_only(
    tmp_path: Path, text: str, codex: CodexProvider, expected: tuple[object, ...]
) -> None:
    """Codex CLI's files help a block that is on, and say nothing about another host."""
    assert expected == settings_of(packycode_of(load(tmp_path, text, codex)))


def test_codex_alone_switches_nothing_on_beside_a_file(tmp_path: Path) -> None:
    """A file without a ``packycode`` block stays without that provider."""
    assert () == load(tmp_path, "debug: true", CODEX).providers


def test_a_key_of_codex_never_goes_to_another_host(tmp_path: Path) -> None:
    """The block that lacks a key gets none from a provider at another URL."""
    text = "packycode: {enabled: true, base-url: 'https://relay.example.evil/v1'}"
    (problem,) = problems_of(tmp_path, text, CODEX)
    assert problem.startswith("packycode.credentials.openai-api-key: is missing")


@pytest.mark.parametrize("url", ["x", "12", "https://[/v1"])
def test_a_malformed_url_is_nobodys(tmp_path: Path, url: str) -> None:
    """What is no URL is not compared with Codex CLI's, and is a problem of the file."""
    problems = problems_of(tmp_path, f"packycode: {{enabled: true, base-url: {url!r}}}", CODEX)
    assert problems[0].startswith("packycode.base-url: ")


def test_a_provider_without_a_key_is_taken_without_one(tmp_path: Path) -> None:
    """Where the Codex CLI asks without a key, so does the proxy, unless it was given one."""
    provider = packycode_of(load(tmp_path, ON, KEYLESS))
    assert (False, "codex-cli") == (provider.requires_openai_auth, provider.effective_source)
    provider = packycode_of(load(tmp_path, ON, KEYLESS, environ={"PACKYCODE_API_KEY": "k"}))
    assert (True, "env") == (provider.requires_openai_auth, provider.effective_source)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", {"x-a": "codex"}),
        (", headers: {}", {"x-a": "codex"}),
        (", headers: {x-b: file}", {"x-b": "file"}),
    ],
    ids=["absent", "empty", "given"],
)
def test_headers_come_from_one_source(tmp_path: Path, written: str, expected: dict[str, str]) -> None:
    """Headers are one setting: those of the file are not mixed with Codex CLI's."""
    codex = CodexProvider(
        name="p",
        base_url=URL,
        key=Secret("k"),
        model=None,
        effort=None,
        headers=HeaderMap({"x-a": "codex"}),
        requires_key=True,
    )
    provider = packycode_of(load(tmp_path, f"packycode: {{enabled: true{written}}}", codex))
    assert expected == dict(provider.headers)
    assert ("codex-cli" if "codex" in expected.values() else "config.yaml") == provider.sources["headers"]


@pytest.mark.parametrize(
    ("url", "port", "is_own"),
    [
        ("http://127.0.0.1:8317/v1", "", True),
        ("http://localhost:9000/v1", "port: 9000", True),
        ("http://[::1]:8317", "", True),
        ("http://127.0.0.1:8317/v1", "port: 9000", False),
        ("http://192.0.2.1:8317/v1", "", False),
    ],
    ids=["default", "configured", "IPv6", "another port", "another machine"],
)
def test_codex_may_point_at_this_very_proxy(tmp_path: Path, url: str, port: str, is_own: bool) -> None:
    """A provider that is the proxy itself is left alone: it would ask itself for ever."""
    codex = CodexProvider(name="p", base_url=url, key=Secret("k"), model=None, effort=None, requires_key=True)
    if is_own:
        assert 2 == len(problems_of(tmp_path, f"{ON}\n{port}", codex))
    else:
        assert url == packycode_of(load(tmp_path, f"{ON}\n{port}", codex)).base_url


def test_a_program_states_its_whole_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, mappings, and files without surroundings are not completed by what a machine happens to hold."""
    for name, value in FULL_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config.yaml").touch()
    assert () == parse_config("").providers
    assert () == config_from_mapping({}).providers
    assert () == load_config(tmp_path / "config.yaml").providers


def test_nothing_shows_the_environment() -> None:
    """The variables of a process are not in the ``repr`` of what was read from it."""
    ambient = Ambient({"PACKYCODE_API_KEY": "canary"}, CodexReading(provider=CODEX))
    assert "canary" not in repr(ambient)
    assert "codex-key" not in repr(ambient)


_KEYS = st.sampled_from(
    ["packycode", "enabled", "base-url", "credentials", "openai-api-key", "defaults", "model", "headers", "port", 5]
)  # fmt: skip
_TEXTS = st.sampled_from(["", " ", "true", "no", URL, "https://other.example", "http://localhost:8317"])
_LEAVES = st.none() | st.booleans() | st.integers() | _TEXTS | st.builds(Plain, _TEXTS, st.booleans())
_BLOCKS: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"enabled": st.just(value=True) | _LEAVES},
    optional={"base-url": _TEXTS | _LEAVES, "credentials": st.just({}) | _LEAVES, "headers": _LEAVES},
)
_DOCUMENTS = st.fixed_dictionaries({"packycode": _BLOCKS}, optional={"port": st.integers()}) | st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5)
)
_VARIABLES = st.dictionaries(st.sampled_from(list(VARIABLES.values())), _TEXTS, max_size=2)


@given(_DOCUMENTS, _VARIABLES, st.booleans())
def test_whatever_the_sources_say_a_borrowed_key_stays_at_home(
    root: object, environ: dict[str, str], is_keyless: bool
) -> None:
    """Any document and any variables give a configuration or problems, and Codex's key goes to Codex's URL only."""
    ambient = Ambient(environ, CodexReading(provider=KEYLESS if is_keyless else CODEX))
    completed, _ = complete(Document(root=root), ambient)
    alone, _ = complete_alone(ambient)
    for document in filter(None, (completed, alone)):
        config, problems = validate(document, source="test")
        assert config or problems
        for provider in config.enabled_providers if config else ():
            if provider.api_key == CODEX.key:
                assert (URL, "codex-cli") == (provider.base_url, provider.effective_source)


class Machine:
    """A working folder and a home of their own, with the Codex CLI in it."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cwd, self.codex = path / "cwd", path / ".codex"
        self.cwd.mkdir()
        self.codex.mkdir()
        self._set = monkeypatch.setenv
        monkeypatch.chdir(self.cwd)
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        self.set(HOME=str(path), CODEX_HOME=str(self.codex))

    def set(self, **environ: str) -> None:
        for name, value in environ.items():
            self._set(name, value)

    def write_codex(self, lines: str = "requires_openai_auth = true", key: str = "codex-key") -> None:
        entry = f'model_provider = "relay"\n[model_providers.relay]\nbase_url = "{URL}"\n{lines}'
        (self.codex / "config.toml").write_text(entry)
        (self.codex / "auth.json").write_text(f'{{"OPENAI_API_KEY": "{key}"}}')


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine without any configuration."""
    return Machine(tmp_path, monkeypatch)


def test_codex_alone_is_picked_up(machine: Machine) -> None:
    """Without any configuration file, the provider of the Codex CLI is enabled, and says where it came from."""
    machine.write_codex()
    loaded = discover_config()
    provider = packycode_of(loaded.config)
    assert (True, URL, "codex-key", "gpt-5", "high") == settings_of(provider)
    assert f"codex-cli ({machine.codex / 'config.toml'})" == loaded.config.source
    assert (None, ()) == (loaded.path, loaded.notes)
    assert {"codex-cli"} == set(provider.sources.values())


@pytest.mark.parametrize("more", [{}, {"PACKYCODE_ENABLED": "true"}], ids=["implied", "enabled"])
def test_variables_alone_are_picked_up(machine: Machine, more: dict[str, str]) -> None:
    """URL and key in the environment are enough without any file."""
    machine.set(PACKYCODE_BASE_URL=URL, PACKYCODE_API_KEY="env-key", **more)
    loaded = discover_config()
    assert (True, URL, "env-key", "gpt-5", "high") == settings_of(packycode_of(loaded.config))
    assert ("env", "env") == (loaded.config.source, packycode_of(loaded.config).sources["enabled"])


def test_variables_and_codex_go_together(machine: Machine) -> None:
    """Either may give what the other lacks."""
    machine.write_codex('env_key = "UNSET"')
    machine.set(PACKYCODE_API_KEY="env-key")
    loaded = discover_config()
    assert (True, URL, "env-key", "gpt-5", "high") == settings_of(packycode_of(loaded.config))
    assert f"env and codex-cli ({machine.codex / 'config.toml'})" == loaded.config.source
    note = "Codex CLI: config.toml: model_providers.relay.env_key names $UNSET, which is not set"
    assert (note,) == loaded.notes


def test_malformed_variables_are_problems_without_a_file_too(machine: Machine) -> None:
    """What is picked up is validated as a file is."""
    machine.set(PACKYCODE_BASE_URL="x", PACKYCODE_API_KEY="k", PACKYCODE_ENABLED="perhaps")
    with pytest.raises(ConfigError) as refusal:
        discover_config()
    assert ["packycode.enabled", "packycode.base-url"] == [
        problem.field for problem in refusal.value.problems
    ]


@pytest.mark.parametrize(
    ("environ", "codex", "said"),
    [
        ({}, None, "~/.config/packyproxy/config.yaml: write one with packyproxy init"),
        ({"PACKYCODE_BASE_URL": URL}, None, "config.yaml; $PACKYCODE_API_KEY is not set: write"),
        ({"PACKYCODE_API_KEY": "k"}, None, "config.yaml; $PACKYCODE_BASE_URL is not set: write"),
        ({"PACKYCODE_ENABLED": "false"}, "requires_openai_auth = true", "PACKYCODE_ENABLED switches the provider off"),
        ({"OPENAI_API_KEY": "k"}, 'env_key = "OPENAI_API_KEY"', "never sent to a third party: set PACKYCODE_API_KEY"),
        ({}, 'env_key = "UNSET"', "env_key names $UNSET, which is not set: write one"),
        (
            {"PACKYCODE_BASE_URL": "https://other.example"},
            "requires_openai_auth = true",
            "; Codex CLI: its provider has another base-url, so its key is not used: write",
        ),
    ],
    ids=["nothing", "URL alone", "key alone", "off", "ambient key", "Codex without key", "Codex elsewhere"],
)  # fmt: skip
def test_nothing_usable_says_why_and_what_to_do(
    machine: Machine, environ: dict[str, str], codex: str | None, said: str
) -> None:
    """One error names the places, what is missing there, and the next step."""
    machine.set(**environ)
    if codex is not None:
        machine.write_codex(codex)
    with pytest.raises(ConfigError) as refusal:
        discover_config()
    (problem,) = refusal.value.problems
    assert "no_file" == problem.code
    assert said in str(problem)


def test_a_file_is_found_and_completed(machine: Machine) -> None:
    """The file in the working folder is completed by Codex CLI's, and every file that counts is known."""
    (machine.cwd / "config.yaml").write_text(ON)
    machine.write_codex()
    loaded = discover_config()
    assert "codex-key" == settings_of(packycode_of(loaded.config))[2]
    assert (machine.cwd / "config.yaml", str(machine.cwd / "config.yaml")) == (
        loaded.path,
        loaded.config.source,
    )
    expected = (
        machine.cwd / "config.yaml",
        machine.cwd.parent / ".config" / "packyproxy" / "config.yaml",
        machine.codex / "config.toml",
        machine.codex / "auth.json",
    )
    assert expected == loaded.watched


def test_a_named_file_is_the_only_place(machine: Machine) -> None:
    """With a name, no other place counts, and a missing file is an error."""
    machine.write_codex()
    (machine.cwd / "x.yaml").write_text(ON)
    loaded = discover_config("x.yaml")
    assert (machine.cwd / "x.yaml", *loaded.watched[1:]) == loaded.watched
    assert 3 == len(loaded.watched)
    with pytest.raises(ConfigError, match="cannot be read"):
        discover_config("y.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ON, ("Codex CLI: there is no auth.json to take the key from",)),
        (f"packycode: {{enabled: true, base-url: '{URL}', credentials: {{openai-api-key: k}}}}", ()),
        ("packycode: {enabled: false}", ()),
    ],
    ids=["needed", "not needed", "off"],
)
def test_notes_are_kept_where_something_was_needed(
    machine: Machine, text: str, expected: tuple[str, ...]
) -> None:
    """Whoever has all settings in one place is not told about another program's files."""
    machine.write_codex()
    (machine.codex / "auth.json").unlink()
    (machine.cwd / "config.yaml").write_text(text)
    machine.set(PACKYCODE_API_KEY="k")
    assert expected == discover_config().notes


def test_a_missing_key_says_why_codex_gave_none(machine: Machine) -> None:
    """The problem that the files of the Codex CLI might have solved tells what is wrong with them."""
    machine.write_codex('env_key = "RELAY_KEY"')
    (machine.cwd / "config.yaml").write_text(ON)
    with pytest.raises(ConfigError) as refusal:
        discover_config()
    (problem,) = refusal.value.problems
    assert problem.field == "packycode.credentials.openai-api-key"
    assert problem.fix.endswith(
        "(Codex CLI: config.toml: model_providers.relay.env_key names $RELAY_KEY, which is not set)"
    )


def test_a_process_without_a_home_can_be_configured(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that runs under any user number has no home; its file and its variables count."""

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.delenv("CODEX_HOME")
    machine.set(PACKYCODE_BASE_URL=URL, PACKYCODE_API_KEY="k")
    loaded = discover_config()
    assert (machine.cwd / "config.yaml",) == loaded.watched


def test_the_surroundings_are_those_of_this_process(machine: Machine, tmp_path: Path) -> None:
    """``load_config`` takes them as an argument, so a caller decides whether they count."""
    machine.write_codex()
    machine.set(PACKYCODE_ENABLED="true")
    path = tmp_path / "other.yaml"
    path.touch()
    assert "codex-key" == settings_of(packycode_of(load_config(path, ambient=process_ambient())))[2]
