"""What ``doctor`` says of each thing that it looks at, whoever looks."""

from typing import Literal

from msgspec import Struct

__all__ = ["Finding"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    mark: Literal["ok", "note", "failed"]
    """``note``: worth knowing, and nothing that has to be mended."""
    subject: str
    text: str
