"""What an operator does about a failure."""

import pytest

from packyproxy.errors import FailureKind
from packyproxy.providers.next_steps import NEXT_STEPS


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_a_next_step(kind: FailureKind) -> None:
    """Nobody is left with a diagnosis alone."""
    assert NEXT_STEPS[kind]
