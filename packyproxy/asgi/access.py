"""Find the keys that a client shows (wire-mapping 12.1)."""

from collections.abc import Mapping

__all__ = ["shown_keys"]


def shown_keys(headers: Mapping[str, str]) -> list[str]:
    """Return what stands in ``Authorization: Bearer`` and in ``x-api-key``; some clients send both."""
    keys = []
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        keys.append(credentials.strip())
    if key := headers.get("x-api-key"):
        keys.append(key)
    return keys
