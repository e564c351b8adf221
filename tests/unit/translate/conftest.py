"""What the tests of several protocols ask for."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def said() -> Callable[..., dict[str, Any]]:
    """Build message items: ``said("user", "a", "b")``."""

    def build(role: str, *texts: str, **more: Any) -> dict[str, Any]:
        kind = "output_text" if role == "assistant" else "input_text"
        return {
            "type": "message",
            "role": role,
            "content": [{"type": kind, "text": text} for text in texts],
            **more,
        }

    return build
