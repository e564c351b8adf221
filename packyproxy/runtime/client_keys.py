"""Tell whether a key shown by a client is known here, in constant time.

Every configured key is compared whatever the earlier comparisons said, and digests of equal length are
compared, so neither a key's position nor its length shows in the time taken.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from packyproxy.config import Secret
from packyproxy.errors import AccessDenied

__all__ = ["ClientKeys"]


class ClientKeys:
    """The keys clients may show; without any, everybody is let in."""

    def __init__(self, keys: Iterable[Secret]) -> None:
        masks = {hashlib.sha256(key.reveal().encode()).digest(): str(key) for key in keys}
        self._digests = tuple(masks)
        self.masks: Mapping[str, str] = MappingProxyType(
            {_id(digest): mask for digest, mask in masks.items()}
        )
        """How each key may be shown, by the id that ``check`` returns."""

    def check(self, shown: Sequence[str]) -> str:
        """Return an id of the key that was shown, ``""`` when none is needed; it does not reveal the key.

        One valid key among those shown is enough (wire-mapping 12.1).

        Raises:
            AccessDenied: no key was shown, or none that is known here.
        """
        if not self._digests:
            return ""
        accepted = b""
        for key in shown:
            digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
            for known in self._digests:
                if hmac.compare_digest(known, digest):
                    accepted = digest
        if not accepted:
            raise AccessDenied
        return _id(accepted)


def _id(digest: bytes) -> str:
    return digest.hex()[:16]
