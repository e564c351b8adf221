"""A proxy that takes offence at nothing: what one request met does not change what becomes of the next.

In use that is wanted: who has failed rests, and is passed over meanwhile. In a test that scripts an error and
then an answer it would keep the second request from the upstream.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packyproxy.runtime.runtime import Runtime

__all__ = ["ForgetfulStore", "forget_failures"]


class ForgetfulStore:
    """A :class:`~packyproxy.store.contract.Store` that loses at once what it is given."""

    async def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return None for each key."""
        return [None] * len(keys)

    async def write(self, key: str, value: bytes, *, expires_in_seconds: float) -> None:
        """Keep nothing."""

    async def replace(
        self, key: str, value: bytes | None, *, instead_of: bytes | None, expires_in_seconds: float
    ) -> bool:
        """Tell whether the caller knew that there was nothing."""
        return instead_of is None


def forget_failures(runtime: "Runtime") -> None:
    """Let every request find all providers well: no rests, no breakers; nor does a session stay with one.

    For a proxy that no request has come to yet: ``forget_failures(proxy.runtime)``.
    """
    from packyproxy.runtime.routing import Routing  # noqa: PLC0415 - the harness loads without the proxy

    runtime.routing = Routing(ForgetfulStore(), now=runtime.now, audit=runtime.audit)
