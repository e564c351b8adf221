"""The key of the management API: in the configuration, plain or hashed, or in ``MANAGEMENT_PASSWORD``.

A plain one in config.yaml is replaced there by its hash: when the runtime starts, after a reload that brings
a new one, and without a lifespan at the first request to the API. Where the file cannot be written, that is
a warning, once for each key, and the key goes on to hold.
"""

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Final, Protocol

from packyproxy.config import Config
from packyproxy.config.password_hash import SALT_BYTES, check_management_key, hash_password, is_hash, matches
from packyproxy.config.yaml_edit import Edit, edit_text
from packyproxy.config.yaml_file import read_text
from packyproxy.errors import ConfigError, PackyProxyError
from packyproxy.runtime.background.reload_signal import ReloadSignal
from packyproxy.runtime.background.tasks import RuntimeView
from packyproxy.runtime.observation.audit import Audit
from packyproxy.runtime.per_loop import PerLoop

__all__ = ["ManagementKey", "follow_management_key", "with_hashed_key"]

_PATH: Final = ("remote-management", "secret-key")
_VARIABLE: Final = "MANAGEMENT_PASSWORD"


class ManagementKey:
    """What opens the management API.

    Args:
        config: returns the configuration in force.
        change_file: edits the text of its file and brings the result into force; None where there is none.
        audit: is told what became of a plain key.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        change_file: Callable[[Callable[[str, Config], str]], Awaitable[None]] | None,
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._config = config
        self._change_file = change_file
        self._seen = b""
        """Digest of the plain key whose hashing was tried last."""
        self._digest_key = os.urandom(32)
        self._proven = b""
        """Keyed digest of the hash in force and the key that is known to match it."""
        self._turns = PerLoop(asyncio.Lock)

    @property
    def is_set(self) -> bool:
        """Whether there is a key at all; the environment is asked each time."""
        return bool(self._stored or _password())

    def is_proven(self, key: bytes) -> bool:
        """Tell whether a key, as it travelled, is known to be right without hashing it."""
        if (password := _password()) and _are_equal(key, password):
            return True
        stored = self._stored
        if not is_hash(stored):
            return bool(stored) and _are_equal(key, stored.encode())
        return hmac.compare_digest(self._digest(stored, key), self._proven)

    async def is_shown_by(self, key: bytes) -> bool:
        """Tell whether a key, as it travelled, is the one that is configured, or the password."""
        if self.is_proven(key):
            return True
        stored = self._stored
        is_right = is_hash(stored) and await asyncio.to_thread(matches, key, stored)
        if is_right:
            self._proven = self._digest(stored, key)
        return is_right

    def turn(self) -> asyncio.Lock:
        """Return what to hold while keys are looked at: each takes 16 MiB and a core, and anybody may ask."""
        return self._turns.here()

    async def protect(self) -> None:
        """Replace a plain key in the file by its hash; tried once for each key, and free otherwise."""
        stored = self._stored
        if self._change_file is None or not stored or is_hash(stored):
            return
        digest = self._digest(stored, b"")
        if digest == self._seen:
            return
        self._seen = digest
        source = self._config().source
        is_written = False

        def edit(text: str, _: Config) -> str:
            nonlocal is_written
            after = with_hashed_key(text)
            is_written = after != text
            return after

        try:
            await self._change_file(edit)
        except asyncio.CancelledError:  # the client left; perhaps it was not this one's turn yet
            self._seen = b""
            raise
        except ConfigError as error:
            self._audit.management_key_plain([problem.code for problem in error.problems])
        except PackyProxyError:
            self._audit.management_key_plain(["no_file"])
        else:
            if is_written:
                self._audit.management_key_hashed(source)

    def _digest(self, stored: str, key: bytes) -> bytes:
        return hmac.digest(self._digest_key, stored.encode() + b"\0" + key, "sha256")

    @property
    def _stored(self) -> str:
        secret = self._config().remote_management.secret_key
        return "" if secret is None else secret.reveal()


class _View(RuntimeView, Protocol):
    @property
    def management_key(self) -> ManagementKey:
        """The key of the management API."""
        ...


async def follow_management_key(runtime: _View) -> None:
    """Hash the key that each reload brings, until cancelled."""
    async with ReloadSignal(runtime) as reloads:
        while True:
            await runtime.management_key.protect()
            await reloads.wait(None)


def with_hashed_key(text: str) -> str:
    """Return the text of a configuration with its management key hashed; as it is, if that is not plain.

    Raises:
        ConfigError: the key cannot be changed alone.
    """
    key: object = read_text(text).root
    for name in _PATH:
        key = key.get(name) if isinstance(key, Mapping) else None
    if not isinstance(key, str) or not key or is_hash(key) or check_management_key(key):
        return text
    return edit_text(text, (Edit(_PATH, hash_password(key, os.urandom(SALT_BYTES))),))


def _password() -> bytes:
    # The bytes that the environment holds: a header travels as bytes too.
    return os.environ.get(_VARIABLE, "").strip().encode("utf-8", "surrogateescape")


def _are_equal(shown: bytes, known: bytes) -> bool:
    """Compare digests, whose length does not depend on the key's."""
    return hmac.compare_digest(sha256(shown).digest(), sha256(known).digest())
