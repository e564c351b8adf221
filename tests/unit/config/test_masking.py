"""The text of a configuration that may be shown."""

import pytest

from packyproxy.config import Secret, parse_config
from packyproxy.config.masking import masked_text, restore_masks
from packyproxy.errors import ConfigError

TEXT = """\
api-keys: ["client-canary-0001", 12345]   # old: sk-canary
remote-management: {secret-key: canary}
packycode:
  base-url: "https://a.example"   # where
  credentials:
    openai-api-key: 'sk-canary-canary-0002'   # mine
  headers: {x-team: canary}
  proxy-url: "http://user:canary@proxy.example:3128"
  api-key: ""
tppc:
  providers:
    - name: b
      api-key: canary
      headers:
        authorization: "Bearer canary-canary-0003"
"""

MASKED = """\
api-keys: ["***0001", "***"]   # old: ***
remote-management: {secret-key: "***"}
packycode:
  base-url: "https://a.example"   # where
  credentials:
    openai-api-key: '***0002'                 # mine
  headers: {x-team: "***"}
  proxy-url: "***3128"
  api-key: ""
tppc:
  providers:
    - name: b
      api-key: "***"
      headers:
        authorization: "***0003"
"""


def test_every_secret_is_its_mask() -> None:
    """Keys, proxy URLs and header values are masked in place, and what looks like a key in a comment is, too."""
    assert MASKED == masked_text(TEXT)


def test_a_text_that_cannot_be_read_is_not_shown() -> None:
    """Where secrets stand is not known then."""
    with pytest.raises(ConfigError):
        masked_text("api-key: canary\napi-key: [")


@pytest.mark.parametrize(
    "text",
    ["a: &x canary-that-is-long\napi-key: *x\n", "# was canary-that-is-long\napi-key: canary-that-is-long\n"],
)
def test_a_secret_is_masked_wherever_it_is_repeated(text: str) -> None:
    """Behind an anchor or in a comment the same characters are the same secret."""
    assert "canary" not in masked_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "host: canary canary\n",
        "my-secret: canary\n",
        "my-secret: {deep: [{down: canary}]}\n",
        "routing: {strategy: canary}\n",
        "port: canary\n",
        "packycode: {base-url: 'https://user:canary@a.example'}\n",
        "{api-key:canary-canary}\n",
        "tppc: {providers: [{api-key:canary-canary}]}\n",
        "routing: canary\n",
    ],
)
def test_what_is_wrong_is_masked(text: str) -> None:
    """A key may stand where another value belongs, and nobody can tell."""
    assert "canary" not in masked_text(text)


def test_what_is_right_in_a_wrong_file_is_shown() -> None:
    """Else nobody could mend it."""
    text = "port: x\ndebug: true\ntppc: {providers: [{name: b, enabled: true, weight: 2}]}\n"
    assert text.replace("port: x", 'port: "***"') == masked_text(text)


@pytest.mark.parametrize("text", ["canary", "- canary\n", "api-key:canary"], ids=["text", "list", "no-blank"])
def test_a_text_without_keys_is_not_shown(text: str) -> None:
    """Somebody may have saved the key alone."""
    with pytest.raises(ConfigError) as refused:
        masked_text(text)
    assert ["wrong_type"] == [problem.code for problem in refused.value.problems]


def test_a_key_with_a_colon_is_shown_where_it_is_right() -> None:
    """Globs may be any text, and one that is masked would be another."""
    assert "model-map: {'a:b': m}\n" == masked_text("model-map: {'a:b': m}\n")


STORED = """\
api-keys: [one, two-two-two-0001]   # was sk-canary
tppc:
  providers:
    - name: b
      api-key: bare-canary-0001     # of b
      headers: {X-Team: 'blue-canary-0002'}
    - name: c
      api-key: bare-canary-0003
"""


def test_what_was_shown_comes_back_as_it_was() -> None:
    """Comments, quotes and alignment included."""
    assert STORED == restore_masks(masked_text(STORED), STORED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: c", "name: c\n      weight: 2"),
        ("# of b", "# of b, and mine"),
        ("api-keys:", "debug: true\napi-keys:"),
    ],
    ids=["line", "comment", "above"],
)
def test_a_changed_text_gets_its_secrets_back(old: str, new: str) -> None:
    """Lines that stayed come back as they were; a line that was changed gets its secret in quotes."""
    restored = restore_masks(masked_text(STORED).replace(old, new), STORED)
    assert STORED.replace(old, new) == restored.replace('"bare-canary-0001"   ', "bare-canary-0001     ")


def test_a_secret_follows_its_name() -> None:
    """Not its line: providers that changed places keep their keys."""
    first, second = masked_text(STORED).split("    - name: b\n")[1].split("    - name: c\n")
    head = masked_text(STORED).split("    - name: b\n")[0]
    restored = restore_masks(f"{head}    - name: c\n{second}    - name: b\n{first}", STORED)
    keys = {provider.name: provider.api_key for provider in parse_config(restored).providers}
    assert {"b": Secret("bare-canary-0001"), "c": Secret("bare-canary-0003")} == keys


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("api-keys: ['***9999']\n", "api-keys[0]"),
        ("tppc: {providers: [{name: d, api-key: '***0003'}]}\n", "tppc.providers[0].api-key"),
        ("packycode: {proxy-url: '***'}\n", "packycode.proxy-url"),
    ],
    ids=["unknown", "of-another", "nothing-stored"],
)
def test_a_mask_of_nothing_is_refused(text: str, field: str) -> None:
    """It would be taken for a key, and sent to a provider."""
    with pytest.raises(ConfigError) as refused:
        restore_masks(text, STORED)
    assert [(field, "masked")] == [(problem.field, problem.code) for problem in refused.value.problems]


def test_over_a_broken_text_only_whole_secrets_count() -> None:
    """Nothing is stored in a text that cannot be read, so a new one is taken if it has no masks."""
    assert "api-keys: [new]\n" == restore_masks("api-keys: [new]\n", "api-keys: [")
    with pytest.raises(ConfigError):
        restore_masks("api-keys: ['***']\n", "api-keys: [")


def test_a_text_that_cannot_be_read_is_refused() -> None:
    """With its own problems."""
    with pytest.raises(ConfigError) as refused:
        restore_masks("api-keys: [", STORED)
    assert ["yaml_syntax"] == [problem.code for problem in refused.value.problems]


def test_a_secret_over_several_lines_comes_back() -> None:
    """Its mask has one, so lines do not tell what was there; its place does."""
    text = (
        "api-keys:\n  - >-\n    canary-\n\n  - two\nremote-management:\n  secret-key: >-\n    canary-0001\n"
    )
    restored = restore_masks(masked_text(text) + "debug: true\n", text)
    assert parse_config(text).remote_management == parse_config(restored).remote_management
