"""The model list, as the anthropic SDK pages through it."""

from collections.abc import Callable
from typing import Any

import anthropic
import pytest


async def test_paging_reaches_every_model_once(stage: Callable[..., Any]) -> None:
    """Iterating over pages of five gives the same models as one large page, each once."""
    it = stage()
    whole = [model.id for model in (await it.sdk.models.list(limit=1000)).data]
    paged = [model.id async for model in it.sdk.models.list(limit=5)]
    assert (whole, len(whole)) == (paged, len(set(paged)))
    assert {"gpt-5", "gpt-5-high"} <= set(whole)


async def test_a_page_says_whether_more_follow(stage: Callable[..., Any]) -> None:
    """A page carries the ids of its ends and whether there is another."""
    page = await stage().sdk.models.list(limit=2)
    assert (2, True) == (len(page.data), page.has_more)
    assert (page.data[0].id, page.data[1].id) == (page.first_id, page.last_id)


async def test_one_model_can_be_retrieved(stage: Callable[..., Any]) -> None:
    """``models.retrieve`` tells id, type and size of a model."""
    model = await stage().sdk.models.retrieve("gpt-5")
    assert ("gpt-5", "model", True) == (model.id, model.type, model.max_input_tokens > 100_000)


async def test_an_unknown_model_is_not_found(stage: Callable[..., Any]) -> None:
    """A model that is not listed raises ``NotFoundError``."""
    with pytest.raises(anthropic.NotFoundError):
        await stage().sdk.models.retrieve("no-such-model")
