"""What is made of values that have passed the rules."""

import pytest

from packyproxy.config.rules import normalise_url


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
