"""What an import loads: nothing that its names do not need, and never a server, a framework or an SDK."""

import subprocess
import sys
from types import ModuleType

import pytest

import packyproxy
import packyproxy.runtime
import packyproxy.testing
import packyproxy.translate

PURE = {"packyproxy", "msgspec", "typing_extensions", "cachetools"}
"""What translating needs; ``typing_extensions`` is loaded by msgspec."""
EVENT_LOOP = {"asyncio", "logging", "threading"}
HOSTS = {"fastapi", "litestar", "quart", "django", "flask", "hypercorn", "uvicorn", "granian"}
EXTRAS = {"prometheus_client", "opentelemetry", "uvloop", "pytest", "_pytest", "anthropic", "openai"}


def loaded_by(statement: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter has after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def tops(modules: set[str]) -> set[str]:
    """Return the packages of modules."""
    return {name.partition(".")[0] for name in modules}


def others(modules: set[str]) -> set[str]:
    """Return the packages that are not of Python itself; parts of compiled modules are left out.

    Some systems load a ``sitecustomize`` with every interpreter.
    """
    own = sys.stdlib_module_names | {"sitecustomize"}
    return {name for name in tops(modules) - own if not name.startswith(("_", "cython_"))}


@pytest.mark.parametrize(
    "statement",
    [
        "import packyproxy",
        "import packyproxy.testing",
        "from packyproxy import __version__",
    ],
)
def test_a_package_alone_loads_nothing(statement: str) -> None:
    """Until a name is used, nothing is loaded that Python does not have, and no event loop."""
    modules = loaded_by(statement)
    assert ({"packyproxy"}, set()) == (others(modules), EVENT_LOOP & tops(modules))


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import packyproxy.errors", {"packyproxy", "msgspec", "typing_extensions"}),
        ("from packyproxy.translate import PROTOCOLS, Target", PURE),
        ("from packyproxy.transcode import Transcoder", PURE),
        ("from packyproxy import Config", PURE - {"cachetools"} | {"yaml"}),
        ("from packyproxy import RequestRecord", PURE),
    ],
)
def test_what_is_pure_loads_no_shell(statement: str, allowed: set[str]) -> None:
    """What needs no event loop loads none, and no HTTP client."""
    modules = loaded_by(statement)
    assert (set(), set()) == (others(modules) - allowed, {"asyncio", "logging"} & modules)


@pytest.mark.parametrize(
    "statement",
    [
        "from packyproxy import PackyProxy",
        "from packyproxy import PackyProxyMiddleware",
        "from packyproxy import RouteDecision",
        "from packyproxy.asgi import Gateway, Management, Models, Status, Validator",
        "from packyproxy.runtime import Runtime",
        "from packyproxy.testing import *",
        "import packyproxy.testing.clients",
    ],
)
def test_no_host_is_loaded(statement: str) -> None:
    """Neither a server, a host's framework, an optional extra, an SDK nor pytest comes with the proxy."""
    modules = loaded_by(statement)
    assert set() == (HOSTS | EXTRAS) & tops(modules)


def test_the_pytest_plugin_loads_nothing() -> None:
    """Whoever has packyproxy installed pays nothing for its plugin in the tests that do not use it."""
    pytest_alone = others(loaded_by("import pytest"))
    with_plugin = loaded_by("import packyproxy.testing.pytest_plugin")
    assert {"packyproxy"} == others(with_plugin) - pytest_alone
    assert "asyncio" not in with_plugin


def test_importing_the_package_is_quick() -> None:
    """``import packyproxy`` takes far less than the 150 ms that it may, in the fastest of five runs."""
    code = "import time; begun = time.perf_counter(); import packyproxy; print(time.perf_counter() - begun)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(seconds) < 0.15


@pytest.mark.parametrize(
    "package",
    [packyproxy, packyproxy.runtime, packyproxy.testing, packyproxy.translate],
    ids=lambda package: package.__name__,
)
def test_names_that_load_on_first_use_are_there(package: ModuleType) -> None:
    """Every exported name is found, and listed by ``dir``; any other is the usual error."""
    assert [] == [name for name in package.__all__ if not hasattr(package, name)]
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'Missing'"):
        _ = package.Missing


@pytest.mark.parametrize(
    "statement",
    [
        "import packyproxy.cli.commands.check",
        "import packyproxy.cli.commands.translate",
        "from packyproxy import RouteDecision",
        "from packyproxy.runtime.snapshot import Snapshot",
    ],
)
def test_what_asks_nobody_loads_no_http_client(statement: str) -> None:
    """Commands and names that never talk to a provider do not wait for the client that would."""
    assert set() == {"httpx", "aiohttp", "starlette"} & loaded_by(statement)
