"""Finding and reading the file."""

from pathlib import Path

import pytest

from packyproxy.config import load_config, parse_config
from packyproxy.config.yaml_file import config_places, find_config, read_file
from packyproxy.errors import ConfigError


def codes_of(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        parse_config(text)
    return [problem.code for problem in refusal.value.problems]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Return a working folder and a home folder, both with a configuration."""
    cwd, home = tmp_path / "cwd", tmp_path / "home"
    (home / ".config" / "packyproxy").mkdir(parents=True)
    (home / ".config" / "packyproxy" / "config.yaml").touch()
    cwd.mkdir()
    (cwd / "config.yaml").touch()
    return cwd, home


def test_a_named_file_wins(places: tuple[Path, Path]) -> None:
    """``--config`` beats everything, relative to the working folder, and need not exist."""
    cwd, home = places
    assert cwd / "x.yaml" == find_config("x.yaml", {"PACKYPROXY_CONFIG": "/e.yaml"}, cwd, home)


def test_the_environment_comes_second(places: tuple[Path, Path]) -> None:
    """``$PACKYPROXY_CONFIG`` beats the usual places; ``~/`` is the home folder."""
    cwd, home = places
    assert Path("/e.yaml") == find_config(None, {"PACKYPROXY_CONFIG": "/e.yaml"}, cwd, home)
    assert home / "e.yaml" == find_config(None, {"PACKYPROXY_CONFIG": "~/e.yaml"}, cwd, home)


def test_the_working_folder_comes_third(places: tuple[Path, Path]) -> None:
    """``./config.yaml`` beats the one under the home folder; an empty variable counts as unset."""
    cwd, home = places
    assert cwd / "config.yaml" == find_config(None, {"PACKYPROXY_CONFIG": ""}, cwd, home)


def test_the_xdg_folder_comes_last(places: tuple[Path, Path], tmp_path: Path) -> None:
    """``$XDG_CONFIG_HOME`` replaces ``~/.config``, but a relative one is ignored as its specification demands."""
    cwd, home = places
    (cwd / "config.yaml").unlink()
    assert home / ".config/packyproxy/config.yaml" == find_config(None, {}, cwd, home)
    assert home / ".config/packyproxy/config.yaml" == find_config(None, {"XDG_CONFIG_HOME": "rel"}, cwd, home)
    assert find_config(None, {"XDG_CONFIG_HOME": str(tmp_path / "none")}, cwd, home) is None


@pytest.mark.parametrize(
    ("explicit", "environ", "home", "expected"),
    [
        ("x.yaml", {}, "/h", ["/cwd/x.yaml"]),
        (None, {}, "/h", ["/cwd/config.yaml", "/h/.config/packyproxy/config.yaml"]),
        (None, {"XDG_CONFIG_HOME": "/x"}, None, ["/cwd/config.yaml", "/x/packyproxy/config.yaml"]),
        (None, {}, None, ["/cwd/config.yaml"]),
        ("~/x.yaml", {}, None, ["/cwd/~/x.yaml"]),
    ],
    ids=["named", "usual", "xdg", "no home", "no home to expand"],
)
def test_the_places_are_known_before_anything_is_there(
    explicit: str | None, environ: dict[str, str], home: str | None, expected: list[str]
) -> None:
    """Whoever waits for the file to appear can watch every place where it may."""
    places = config_places(explicit, environ, Path("/cwd"), Path(home) if home else None)
    assert expected == [str(place) for place in places]


def test_a_place_that_may_not_be_looked_at_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be a file, so reading it shall say what is wrong."""

    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    path = find_config(None, {}, Path("/cwd"), None)
    assert Path("/cwd/config.yaml") == path
    assert ["unreadable"] == [problem.code for problem in read_file(path).problems]


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    """A named file that does not exist is told by its path."""
    (problem,) = read_file(tmp_path / "none.yaml").problems
    assert f"{tmp_path}/none.yaml cannot be read (no such file or directory)" == problem.message


def test_a_folder_is_a_problem(tmp_path: Path) -> None:
    """Only regular files are opened: a pipe would block for ever."""
    assert ["not_a_file"] == [problem.code for problem in read_file(tmp_path).problems]


def test_a_file_is_its_own_source(tmp_path: Path) -> None:
    """A loaded configuration knows its path."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfport: 1\n")
    assert (str(path), 1) == (load_config(path).source, load_config(path).port)


@pytest.mark.parametrize(
    "text",
    ["x: [" + "a," * 22_000 + "]", "- " * 2_000, "{a: " * 2_000, "a: &x [*x" + ",*x" * 300 + "]"],
    ids=["many values", "deep lists", "deep mappings", "self reference"],
)
def test_bombs_are_problems(text: str) -> None:
    """A file that expands or nests without bound is refused instead of hanging."""
    assert ["too_complex"] == codes_of(text)


def test_a_huge_file_is_not_parsed() -> None:
    """Beyond 128 KiB nothing is read as YAML."""
    assert ["too_large"] == codes_of(b"#" * (128 * 1024 + 1))


def test_numbers_without_end_are_text() -> None:
    """Digits beyond any setting are not converted, which would take quadratic time."""
    assert ["wrong_type"] == codes_of("port: " + "9" * 100_000)


@pytest.mark.parametrize("number", ["0b_", "0x_", "-0b__"])
def test_numbers_without_digits_are_text(number: str) -> None:
    """YAML 1.1 takes them for numbers, but nobody can say which."""
    assert ["wrong_type"] == codes_of(f"port: {number}")


def test_dates_are_text() -> None:
    """YAML's date type does not get in the way of a name that looks like one."""
    assert (("2025-01-01", "m"),) == parse_config("model-map: {2025-01-01: m}").model_map


def test_aliases_that_stay_small_are_fine() -> None:
    """Anchors are a legitimate way not to repeat oneself."""
    text = 'packycode: {headers: &h {x-a: "1"}}\ntppc: {providers: [{name: b, headers: *h}]}\n'
    first, second = parse_config(text).providers
    assert {"x-a": "1"} == dict(first.headers) == dict(second.headers)
