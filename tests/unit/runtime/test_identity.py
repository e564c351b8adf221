"""Ids never repeat, whoever asks for them."""

import re
import subprocess
import sys

from packyproxy.runtime.identity import new_answer_id, new_request_id

_FORKING = """
import os
from packyproxy.runtime.identity import new_request_id
new_request_id()
child = os.fork()
ids = "".join(new_request_id() + chr(10) for _ in range(100))
os.write(1, ids.encode())
if child:
    os.waitpid(child, 0)
"""


def test_an_id_is_a_prefix_and_24_base62_characters() -> None:
    """Ids look like those of the APIs that clients know."""
    assert re.fullmatch(r"req_[0-9A-Za-z]{24}", new_request_id())
    assert re.fullmatch(r"chatcmpl-[0-9A-Za-z]{24}", new_answer_id("chatcmpl-"))


def test_no_id_comes_twice() -> None:
    """They are drawn many at a time, and each is given out once."""
    assert 1000 == len({new_request_id() for _ in range(1000)})


def test_a_forked_process_has_ids_of_its_own() -> None:
    """A worker that was forked does not go on with what its parent has drawn."""
    ids = subprocess.run([sys.executable, "-c", _FORKING], capture_output=True, text=True, check=True)
    assert 200 == len(set(ids.stdout.split()))
