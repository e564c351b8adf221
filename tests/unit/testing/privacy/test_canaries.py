"""Canaries: what they say of themselves, and in which disguises they are found."""

import base64
import json

import pytest

from packyproxy.testing.privacy.canaries import KINDS, Canary, canary_text, find_canaries, stage_owner

WORD = canary_text("provider key", 7)
FOUND = frozenset({Canary("provider key", 7)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_says_of_what_kind_it_is_and_whose(kind: str) -> None:
    """Both are read back from the text, and its kind stands for content or for a secret."""
    found = find_canaries(f"before {canary_text(kind, 1295)} after")
    assert frozenset({Canary(kind, 1295)}) == found
    assert {KINDS[kind]} == {each.category for each in found}


def test_a_canary_goes_wherever_a_name_goes() -> None:
    """It is a word of lower-case letters and digits, short enough for the name of a tool."""
    assert (32, True, True) == (len(WORD), WORD.isalnum(), WORD.islower())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(WORD, id="plain"),
        pytest.param(WORD.encode(), id="bytes"),
        pytest.param(WORD.upper(), id="upper case"),
        pytest.param(json.dumps({"a": [WORD]}), id="JSON"),
        pytest.param(repr(WORD.encode()), id="repr"),
        pytest.param(f"f{WORD.encode().hex()}0", id="hexadecimal"),
        pytest.param(f"{'f' * 40}{WORD.encode().hex()}", id="amid other digits"),
        *(
            pytest.param(
                base64.b64encode(b"\xfa" * before + WORD.encode()).decode(), id=f"base64 after {before}"
            )
            for before in range(5)
        ),
        pytest.param(
            f"key={base64.urlsafe_b64encode(b'??>' + WORD.encode()).decode()}", id="URL-safe base64"
        ),
        pytest.param(f"http://{WORD}.test/?a=b", id="URL"),
        pytest.param(WORD[:30], id="without its end"),
        pytest.param(WORD[2:], id="without its beginning"),
    ],
)
def test_a_canary_is_found_in_disguise(text: str | bytes) -> None:
    """Whatever form it has taken, and although a little of it is cut off."""
    assert FOUND == find_canaries(text)


def test_a_part_of_a_canary_is_found() -> None:
    """Of whom it is cannot be told then, so nothing excuses it."""
    (part,) = find_canaries(f"...{WORD[:13]}")
    assert ("part of a canary", -1, "secret") == (part.kind, part.owner, part.category)


@pytest.mark.parametrize(
    "text", ["", "a canary", WORD[-4:], f"***{WORD[-4:]}", "zq7", "f" * 5000, "QUJD" * 999]
)
def test_other_texts_hold_none(text: str) -> None:
    """Nor does the mask of a secret, which shows its last four characters."""
    assert frozenset() == find_canaries(text)


def test_several_are_found_at_once() -> None:
    """Each with its own kind and owner."""
    text = canary_text("cookie", 3) + base64.b64encode(canary_text("image", 4).encode()).decode()
    assert frozenset({Canary("cookie", 3), Canary("image", 4)}) == find_canaries(text)


def test_two_clients_share_the_secrets_of_a_stage() -> None:
    """Those of the first of two owners."""
    assert [2, 2, 4, 4] == [stage_owner(owner) for owner in (2, 3, 4, 5)]
