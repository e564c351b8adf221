"""The opaque ``encrypted_content`` of reasoning items, as a fake upstream issues and checks it.

A value is bound to the identity that issued it, as the real one is bound to an organisation. The value of
``response.output_item.added`` differs from that of ``.done`` and is refused when it is sent back: only the
latter is complete. Nothing is encrypted; the value carries the item id under a MAC.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

__all__ = ["ReasoningVault"]

_PREFIX = "gAAAAAB"
_PADDING = b"." * 160
"""Brings a value to a realistic length; real ones are longer still."""


class ReasoningVault:
    """Issues and verifies ``encrypted_content`` for one identity."""

    def __init__(self, identity: str) -> None:
        self._key = hashlib.sha256(identity.encode()).digest()

    def seal(self, item_id: str) -> str:
        """Return the value for a finished reasoning item."""
        return self._write(item_id, b"done")

    def seal_early(self, item_id: str) -> str:
        """Return the incomplete value that ``response.output_item.added`` shows."""
        return self._write(item_id, b"early")

    def open(self, value: str) -> str | None:
        """Return the id of the item a value was made for; None when it is foreign, damaged or incomplete."""
        try:
            data = urlsafe_b64decode(value.removeprefix(_PREFIX).encode())
        except ValueError:
            return None
        mac, payload = data[:16], data[16:]
        item_id = payload.removesuffix(_PADDING)
        if not value.startswith(_PREFIX) or not hmac.compare_digest(mac, self._mac(item_id, b"done")):
            return None
        return item_id.decode()

    def _write(self, item_id: str, state: bytes) -> str:
        payload = item_id.encode()
        return _PREFIX + urlsafe_b64encode(self._mac(payload, state) + payload + _PADDING).decode()

    def _mac(self, payload: bytes, state: bytes) -> bytes:
        return hmac.digest(self._key, state + b"\0" + payload, "sha256")[:16]
