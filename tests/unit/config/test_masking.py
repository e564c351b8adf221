"""The text of a configuration that may be shown."""

import pytest

from packyproxy.config.masking import masked_text
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
