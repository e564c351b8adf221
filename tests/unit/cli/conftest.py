"""What tests of the commands share: surroundings of their own, and a configuration to be found."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_AMBIENT = (
    "CODEX_HOME",
    "MANAGEMENT_PASSWORD",
    "PACKYCODE_API_KEY",
    "PACKYCODE_BASE_URL",
    "PACKYCODE_ENABLED",
    "PACKYCODE_MODEL",
    "PACKYCODE_MODEL_REASONING_EFFORT",
    "PACKYPROXY_CONFIG",
    "XDG_CONFIG_HOME",
)


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in an empty folder with an empty home, and give logging back as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in _AMBIENT:
        monkeypatch.delenv(name, raising=False)
    root, ours = logging.getLogger(), logging.getLogger("packyproxy")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes the configuration that commands will find."""

    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        return path

    return write
