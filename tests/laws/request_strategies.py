"""What requests of every protocol are made of, and how one is broken.

A *plausible* request is what a client could send: its parts are well-formed, but histories are cut, merged and resent,
so calls lack outputs, outputs lack calls, ids repeat, and signatures come from anywhere.
"""

import copy
import json
from typing import Any

from hypothesis import strategies as st

from packyproxy.testing.upstream.encrypted_content import ReasoningVault

Json = Any
Body = dict[str, Any]

SCOPE = "1f2e3d4c5b"
VAULT = ReasoningVault("laws")
"""Who issued the encrypted reasoning that the upstream of these laws can read."""

words = st.text(st.sampled_from('ab E😀é\n"\\/.世'), max_size=8)
names = st.sampled_from(["ls", "Read", "web_search", "a.b", "mcp__" + "x" * 80, "größe", "a_b"])
ids = st.sampled_from(["c1", "c2", "toolu_3", "c.1", "x" * 90, "c1_2"])

json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(words, json_values, max_size=3)


def shape(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Body]:
    """Draw objects from strategies, or fixed values, of their fields."""

    def as_strategy(value: Any) -> st.SearchStrategy[Any]:
        return value if isinstance(value, st.SearchStrategy) else st.just(value)

    return st.fixed_dictionaries(
        {key: as_strategy(value) for key, value in required.items()},
        optional={key: as_strategy(value) for key, value in optional.items()},
    )


def blocks(kind: str, required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Body]:
    """Draw objects of one ``type``."""
    return shape({"type": kind, **required}, **optional)


def _paths(node: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] + [below for key, value in steps for below in _paths(value, (*path, key))]


@st.composite
def broken(draw: st.DrawFn, bodies: st.SearchStrategy[Body]) -> bytes:
    """Draw a body with up to three values replaced, removed or repeated, as its bytes."""
    body = copy.deepcopy(draw(bodies))
    for _ in range(draw(st.integers(1, 3))):
        *above, key = draw(st.sampled_from(_paths(body)[1:] or [("model",)]))
        parent: Any = body
        for step in above:
            parent = parent[step]
        match draw(st.sampled_from(["replace", "remove", "repeat"])):
            case "replace":
                parent[key] = copy.deepcopy(
                    draw(json_values | st.sampled_from(["\ud83d", 10**30, "pp1.", [None]]))
                )
            case "remove":
                parent.pop(key, None) if isinstance(parent, dict) else parent.pop(key)
            case _:
                if isinstance(parent, list):
                    parent.insert(key, copy.deepcopy(parent[key]))
    return json.dumps(body).encode()
