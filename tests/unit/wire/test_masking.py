"""Nobody reads a credential in an upstream's words, however it is written (wire-mapping 8.1)."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.wire.masking import mask_bytes, mask_text, mask_values

_SECRET = 'pk/live+"1\\2é'
_EVENT = b'event: error\ndata: {"type":"error","message":"%b"}\n\n'


def _in_units(text: str) -> str:
    """Write every character as an escape in capital digits."""
    return "".join(f"\\u{ord(char):04X}" for char in text)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(msgspec.json.encode(_SECRET)[1:-1], id="usual"),
        pytest.param(json.dumps(_SECRET)[1:-1].encode(), id="ascii"),
        pytest.param(json.dumps(_SECRET)[1:-1].replace("/", "\\/").encode(), id="slashes"),
        pytest.param(json.dumps(_SECRET)[1:-1].replace("+", "\\u002b").encode(), id="html-safe"),
        pytest.param(_in_units(_SECRET).encode(), id="all-escaped"),
        pytest.param(_in_units(_SECRET).lower().encode(), id="small-digits"),
        pytest.param(b"sk-proj-abc_DEF-123", id="key-like"),
        pytest.param(b"Bearer eyJhbGci.e30.x", id="bearer"),
    ],
)
def test_every_writing_is_masked(written: bytes) -> None:
    """JSON has many ways to write a text; none of them gets through, and the frame stays JSON."""
    masked = mask_bytes(_EVENT % (b"got " + written + b" now"), [_SECRET])
    data = json.loads(masked.split(b"data: ")[1])
    assert data["message"] in ("got *** now", "got Bearer *** now")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rb"\nsk-proj-1234 x", rb"\n*** x"),
        (rb"\"Bearer abc\" x", rb"\"Bearer ***\" x"),
        (rb"\tbearer\tabc", rb"\tbearer\t***"),
        (rb"Bearer abc\nnext", rb"Bearer ***\nnext"),
        (rb"disk-full and task-1234", rb"disk-full and task-1234"),
        (rb"Missing bearer token", rb"Missing bearer token"),
    ],
)
def test_escapes_around_credentials(before: bytes, after: bytes) -> None:
    """An escape ends a credential and may stand right before one; ordinary words stay."""
    assert after == mask_bytes(before)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("key tok-secret-1 refused", "key *** refused"),
        ("key tok-sec...", "key ***..."),
        ("a b", "a b"),
        ("abc pass", "abc ***"),
        ("use sk-abcd\nor Bearer xyz", "use ***\nor Bearer ***"),
    ],
)
def test_text_is_masked(text: str, masked: str) -> None:
    """A text keeps its form, and so short a secret as one that stands in every text protects nothing."""
    secrets = ["tok-secret-1", "pass", "abc", "a", ""]
    assert masked == mask_text(text, secrets)


def test_short_secrets_stay_in_json_too() -> None:
    """Four characters are the shortest that are masked."""
    assert b'{"abc":"***"}' == mask_bytes(b'{"abc":"pass"}', ["pass", "abc"])


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.sampled_from(["sk-live-1", "tok-secret-1", "é"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=12,
    )
)  # fmt: skip
def test_values_keep_their_shape(value: object) -> None:
    """Only texts change, wherever they stand."""
    text = json.dumps(value, ensure_ascii=False).replace("sk-live-1", "***").replace("tok-secret-1", "***")
    assert json.loads(text) == mask_values(value, ["tok-secret-1"])
