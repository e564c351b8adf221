"""How a management key is kept, and what in its place cannot be one."""

import base64

import pytest

from packyproxy.config.password_hash import check_management_key, hash_password, is_hash, matches

SALT = b"0123456789abcdef"
KEPT = hash_password("correct horse", SALT)
EASY = "scrypt$2$1$1$MDEyMzQ1Njc4OWFiY2RlZg==$"
"""All but the digest of a hash that takes no time."""
DIGEST = base64.b64encode(bytes(32)).decode()


def test_a_hash_says_how_it_was_made() -> None:
    """The cost, the salt and 32 bytes of scrypt stand in the text, and nothing of the password."""
    head, _, digest = KEPT.rpartition("$")
    assert (head, len(base64.b64decode(digest))) == ("scrypt$16384$8$1$MDEyMzQ1Njc4OWFiY2RlZg==", 32)


def test_the_hash_is_the_one_of_the_standard() -> None:
    """The third test vector of RFC 7914, section 12, is what it says: other programs can make such hashes."""
    digest = bytes.fromhex(
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
    )
    salt = base64.b64encode(b"SodiumChloride").decode()
    assert matches(b"pleaseletmein", f"scrypt$16384$8$1${salt}${base64.b64encode(digest).decode()}")


@pytest.mark.parametrize(
    ("password", "is_right"),
    [
        (b"correct horse", True),
        (b"Correct horse", False),
        (b"correct horse ", False),
        (b"", False),
        (b"\xff", False),
        (KEPT.encode(), False),
    ],
    ids=["right", "case", "blank", "empty", "no-utf8", "the-hash-itself"],
)
def test_only_the_password_matches(password: bytes, *, is_right: bool) -> None:
    """A hash matches the password it was made of, and no other; it is no password itself."""
    assert is_right == matches(password, KEPT)


def test_a_salt_makes_another_hash() -> None:
    """Two hashes of one password do not show that they are of one password."""
    assert KEPT != hash_password("correct horse", b"fedcba9876543210")


def test_the_hardest_hash_can_be_checked() -> None:
    """What counts as a hash never exceeds the memory that a check may take."""
    assert not matches(b"correct horse", EASY.replace("$2$1$", "$32768$15$") + DIGEST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "correct horse",
        "scrypt",
        "scrypt$16384$8$1$MDEy",
        "bcrypt$16384$8$1$MDEy$" + DIGEST,
        EASY.replace("$2$", "$3$") + DIGEST,
        EASY.replace("$2$", "$1$") + DIGEST,
        EASY.replace("$2$", "$-2$") + DIGEST,
        EASY.replace("$2$", "$1048576$") + DIGEST,
        EASY.replace("$2$", "$2²$") + DIGEST,
        EASY.replace("$1$1$", "$1$0$") + DIGEST,
        EASY.replace("$1$1$", "$1$17$") + DIGEST,
        EASY.replace("$1$1$", "$0$1$") + DIGEST,
        EASY.replace("$1$1$", "$99999$1$").replace("$2$", "$16384$") + DIGEST,
        EASY.replace("$2$1$1$", "$2$250000$16$") + DIGEST,
        EASY + "AAAA",
        EASY + DIGEST[1:],
        EASY + "é" + DIGEST,
        "scrypt$2$1$1$$" + DIGEST,
        EASY + DIGEST + "$",
    ],
)
def test_what_cannot_be_checked_is_no_hash(text: str) -> None:
    """Parts that are missing, no numbers, no base64 or beyond what a machine should bear make no hash."""
    assert (is_hash(text), matches(b"correct horse", text)) == (False, False)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("correct-horse", None),
        (KEPT, None),
        ("", "holds blanks or characters that an HTTP header cannot carry"),
        ("correct horse", "holds blanks or characters that an HTTP header cannot carry"),
        ("scrypt$16384$8$1$MDEy", "begins like a hash, and is none that can be checked"),
    ],
    ids=["plain", "hashed", "empty", "blank", "cut-off"],
)
def test_a_management_key_is_plain_or_a_whole_hash(value: str, complaint: str | None) -> None:
    """What looks like a hash and is cut off would never match: that is a problem and not a key."""
    found = check_management_key(value)
    assert complaint == (found and found[0])
