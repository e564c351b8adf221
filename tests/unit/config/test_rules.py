"""Rules for single values, and what is made of those that pass."""

import pytest

from packyproxy.config import Secret
from packyproxy.config.rules import check_key, normalise_url


@pytest.mark.parametrize(
    ("url", "normalised"),
    [
        ("HTTPS://H.Example/V1/", "https://h.example/V1"),
        ("https://h.example:8443", "https://h.example:8443"),
        ("https://h.example/a/b//", "https://h.example/a/b"),
    ],
)
def test_url_is_normalised(url: str, normalised: str) -> None:
    """Scheme and host ignore case, the path does not; slashes at the end mean nothing."""
    assert normalised == normalise_url(url)


@pytest.mark.parametrize("key", ["short", "sk-long-enough-0001"])
def test_what_is_shown_of_a_key_is_none(key: str) -> None:
    """Whoever copies the masked file over the real one is told, instead of being open to those who guess."""
    assert check_key(key) is None
    assert ("is what is shown of a key, and not the key", "write the key itself") == check_key(
        str(Secret(key))
    )


@pytest.mark.parametrize("key", ["***12345", "**", "****"])
def test_stars_may_be_in_a_key(key: str) -> None:
    """Only the shape of a mask is refused."""
    assert check_key(key) is None
