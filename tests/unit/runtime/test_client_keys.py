"""Which keys of clients are known, and how they may be shown."""

import pytest

from packyproxy.config import Secret
from packyproxy.errors import AccessDenied
from packyproxy.runtime.client_keys import ClientKeys

KEYS = ClientKeys([Secret("canary-first-key"), Secret("second"), Secret("canary-first-key")])


@pytest.mark.parametrize(
    "shown",
    [["second"], ["wrong", "second"], ["second", "wrong"], ["second", "canary-first-key"]],
    ids=["alone", "last", "first", "two known ones"],
)
def test_one_known_key_is_enough(shown: list[str]) -> None:
    """Clients may show another one besides."""
    assert KEYS.check(shown) in KEYS.masks


@pytest.mark.parametrize("shown", [[], [""], ["wrong"], ["canary-first-ke"], ["\udce9"]], ids=ascii)
def test_others_are_denied(shown: list[str]) -> None:
    """Also what is no text at all."""
    with pytest.raises(AccessDenied):
        KEYS.check(shown)


def test_without_keys_everybody_is_let_in() -> None:
    """And has no id."""
    assert "" == ClientKeys([]).check(["whatever"])


def test_an_id_leads_to_a_mask() -> None:
    """A key that is listed twice is one; neither id nor mask gives it away."""
    assert ["***-key", "***"] == list(KEYS.masks.values())
    assert "***-key" == KEYS.masks[KEYS.check(["canary-first-key"])]
    assert "canary" not in str(KEYS.masks)
