"""Whole runs of pytest with the plugin, as it is found by its entry point: other plugins, mistakes, help."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

HEAD = """
import asyncio
import pytest

ASKED = {"model": "gpt-5", "input": "hi"}
"""
PLAIN = """
def test_plain(packy_upstream, packy_openai_sync):
    packy_upstream.script = "Hello"
    assert packy_openai_sync.responses.create(**ASKED).output_text == "Hello"


def test_loop_of_its_own(packy_openai):
    answer = asyncio.run(packy_openai.responses.create(**ASKED))
    assert answer.output_text == "hi"
"""
ASYNC = """
async def ask(upstream, client):
    upstream.script = "Hello"
    stream = await client.responses.create(**ASKED, stream=True)
    assert "response.completed" in [event.type async for event in stream]
    left = await client.responses.create(**ASKED, stream=True)
    await anext(aiter(left))


@pytest.mark.asyncio
async def test_asyncio(packy_upstream, packy_openai):
    await ask(packy_upstream, packy_openai)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_anyio(packy_upstream, packy_openai):
    await ask(packy_upstream, packy_openai)
"""
MISTAKES = """
def test_too_many(packy_upstream, packy_openai_sync):
    packy_upstream.script = ["only one"]
    for _ in range(2):
        packy_openai_sync.responses.create(**ASKED)


def test_unnoticed(packy_upstream, packy_openai_sync):
    def script(request):
        raise LookupError("a mistake of the test")

    packy_upstream.script = script
    with pytest.raises(Exception):
        packy_openai_sync.responses.create(**ASKED)
"""
UPSTREAM_OF_ITS_OWN = """
from packyproxy.testing import FakeUpstream


@pytest.fixture
def packy_upstream():
    return FakeUpstream(["only one"], when_exhausted="fail")


def test_too_many_unnoticed(packy_openai_sync):
    packy_openai_sync.responses.create(**ASKED)
    for _ in range(2):
        with pytest.raises(Exception):
            packy_openai_sync.responses.create(**ASKED)
"""
LOADED = """
import sys

NEEDED = {"packyproxy.app", "packyproxy.testing.upstream.fake_upstream", "packyproxy.testing.clients", "openai"}


@pytest.fixture
def loaded():
    return NEEDED & sys.modules.keys()
"""
USING = """
def test_loaded(loaded, packy_openai):
    assert NEEDED == loaded
    assert "anthropic" not in sys.modules
"""
USING_NOTHING = """
def test_loaded(loaded):
    assert set() == loaded
"""


STRICT = ("-o", "asyncio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function")


def run(folder: Path, content: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder with one test module; every warning is an error."""
    (folder / "pytest.ini").write_text("[pytest]", "utf-8")
    (folder / "test_it.py").write_text(HEAD + content, "utf-8")
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-rA", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)


@pytest.mark.parametrize(
    ("content", "options", "passed"),
    [
        (PLAIN, ("-p", "no:asyncio", "-p", "no:anyio"), 2),
        (PLAIN + ASYNC, STRICT, 4),
    ],
    ids=["no other plugin", "strict mode and anyio"],
)
def test_fixtures_serve_under_any_other_plugin(
    tmp_path: Path, content: str, options: tuple[str, ...], passed: int
) -> None:
    """Tests of every kind pass without a warning, also those that leave an answer open."""
    done = run(tmp_path, content, *options)
    assert (0, True) == (done.returncode, f"{passed} passed" in done.stdout), done.stdout + done.stderr


@pytest.mark.parametrize("content", [USING, USING_NOTHING], ids=["used", "unused"])
def test_what_is_needed_loads_before_the_first_test(tmp_path: Path, content: str) -> None:
    """No test's time counts what loads but once, and nothing loads for tests that use nothing of it."""
    done = run(tmp_path, LOADED + content, "-p", "no:asyncio", "-p", "no:anyio", "-p", "no:schemathesis")
    assert (0, True) == (done.returncode, "1 passed" in done.stdout), done.stdout + done.stderr


def test_what_cannot_be_loaded_is_told_by_the_fixture(tmp_path: Path) -> None:
    """An SDK that is missing fails the tests that ask for its client, and no others."""
    missing = "import sys\n\nsys.modules['openai'] = None\n"
    out = run(
        tmp_path, missing + PLAIN + "\ndef test_other(packy_upstream):\n    pass\n", "-p", "no:asyncio"
    ).stdout
    assert "1 passed, 2 errors" in out
    assert "a client of the openai SDK needs that SDK: pip install openai" in out


def test_collecting_loads_nothing(tmp_path: Path) -> None:
    """Whoever only lists tests waits for nothing."""
    loaded = "\ndef pytest_unconfigure():\n    print('LOADED', NEEDED & sys.modules.keys())\n"
    (tmp_path / "conftest.py").write_text(HEAD + LOADED + loaded, "utf-8")
    out = run(tmp_path, PLAIN, "-p", "no:asyncio", "-p", "no:schemathesis", "--collect-only").stdout
    assert "LOADED set()" in out


def test_mistakes_of_a_script_are_shown(tmp_path: Path) -> None:
    """A script that is wrong makes an error of the test, also where the code under test has hidden it."""
    out = run(tmp_path, MISTAKES, "-p", "no:asyncio").stdout
    assert "1 failed, 1 passed, 2 errors" in out
    assert "The test is wrong: request 2 came, but the script ends after answer 1." in out
    assert "ScriptExhausted: request 2 came" in out
    assert "ERROR test_it.py::test_unnoticed - LookupError: a mistake" in out
    assert '>       raise LookupError("a mistake of the test")' in out


def test_mistakes_of_an_upstream_of_its_own_are_shown(tmp_path: Path) -> None:
    """Who overrides the upstream need not look for them; each test tells one of its mistakes, once."""
    out = run(tmp_path, UPSTREAM_OF_ITS_OWN, "-p", "no:asyncio").stdout
    assert "1 passed, 1 error" in out
    assert "ScriptExhausted: request 2 came" in out


def test_the_fixtures_are_explained(tmp_path: Path) -> None:
    """``pytest --fixtures`` lists what there is, each with what it returns."""
    lines = run(tmp_path, PLAIN, "-p", "no:asyncio", "--fixtures").stdout.splitlines()
    shown = {
        line.partition(" ")[0]: text.strip().partition(", ")[0]
        for line, text in pairwise(lines)
        if line.startswith("packy_")
    }
    assert {
        "packy_anthropic": "Return an ``anthropic.AsyncAnthropic`` that asks through ``packy_proxy``.",
        "packy_anthropic_sync": "Return an ``anthropic.Anthropic``",
        "packy_config": "Return the configuration of ``packy_proxy``",
        "packy_openai": "Return an ``openai.AsyncOpenAI`` that asks through ``packy_proxy``.",
        "packy_openai_sync": "Return an ``openai.OpenAI``",
        "packy_proxy": "Return a ``PackyProxy`` in front of ``packy_upstream``: an ASGI app",
        "packy_upstream": "Return the model's place: a ``FakeUpstream``",
    } == shown
