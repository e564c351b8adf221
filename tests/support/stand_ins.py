"""Programs of the documents that a test cannot have, or must not run to their end: each checks what it was given.

Started as ``python stand_ins.py NAME ARGUMENT ...`` by the scripts that :mod:`tests.support.reader` puts on the
``PATH``; the folder above them holds ``world.json``. A complaint on stderr and exit code 64 say that a reader
would be led astray.
"""

import json
import os
import re
import shutil
import signal
import site
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["IN_VENVS", "NAMES", "UNCHECKED"]

UNCHECKED = "\x1d"
"""What a program prints that was not run: the output that a document shows for it is not compared."""
IN_VENVS = ("python", "python3", "pip", "packyproxy", "pytest", "uvicorn", "hypercorn", "granian")
"""What is in a virtual environment where packyproxy is installed."""

_START_SECONDS = 20.0
_USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"
_PATH = re.compile(r"(?:[\w.@-]*/)*[\w.-]+\.(?:yaml|yml|toml|service|conf|txt|py|json|jsonl|ini|container)")
_PLAIN_FILES = re.compile(r"(?:.*/)?(?:Dockerfile|Containerfile|Caddyfile)")
_QUESTION = {
    "model": "claude-sonnet-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Say hello."}],
}
_WITH_USUAL_PORT = """
import sys
from msgspec.structs import replace
from packyproxy.config import validate
validate._DEFAULT = replace(validate._DEFAULT, port=int(sys.argv.pop(1)))
from packyproxy.cli.main import main
raise SystemExit(main())
"""
"""Runs the command where another port is the usual one: 8317 is the machine's, and somebody may use it."""
_WORLD: dict[str, Any] = {}


def _complain(text: str) -> NoReturn:
    sys.stderr.write(f"{sys.argv[1]}: {text}\n")
    raise SystemExit(64)


def _say(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0


def _become(program: str, *words: str) -> NoReturn:
    os.execv(program, [program, *words])


def _root() -> Path:
    return Path(_WORLD["root"])


def _not_run(_: Sequence[str]) -> int:
    return _say(UNCHECKED)


def _with_files(words: Sequence[str]) -> int:
    """Demand that files among the words are there; what is absolute or somebody else's is not looked for."""
    for word in words:
        name = word.partition("=")[2] if word.startswith("--") else word.removeprefix("@")
        name = name.partition(":")[0]
        is_ours = not name.startswith(("/", "~", "$")) and (
            _PATH.fullmatch(name) or _PLAIN_FILES.fullmatch(name)
        )
        if is_ours and not Path(name).exists():
            _complain(f"there is no file {name} here")
    return _not_run(words)


# -- packyproxy itself


def _packyproxy(words: Sequence[str]) -> int:
    sys.path.insert(0, str(_root()))
    from packyproxy.cli.parser import read_arguments

    read = read_arguments(list(words))
    if read.command == "init":
        return _init(words)
    is_serving = read.command == "serve" or (read.command == "demo" and not read.once)
    if is_serving or (read.command == "record" and not read.child and not read.show):
        host = getattr(read, "host", None)
        return _serve(words) if host in {None, "127.0.0.1", "localhost"} else _not_run(words)
    if read.command == "doctor" and read.privacy:
        return _not_run(words)  # tests of its own run it; it takes some fifteen seconds
    if read.command == "doctor":
        _become(_WORLD["python"], "-c", _WITH_USUAL_PORT, _usual_port(), *words)
    _become(_WORLD["packyproxy"], *words)


def _usual_port() -> str:
    """Return the port that stands for 8317: nobody listens there until the reader has typed ``serve``."""
    return str(_WORLD["port" if _mark_of_serving().exists() else "free-port"])


def _mark_of_serving() -> Path:
    return Path(_WORLD["bin"]) / "has-served"


def _init(words: Sequence[str]) -> int:
    """Write what ``init`` writes in a folder without one, and put address and key in, as its reader would."""
    file = Path("config.yaml")
    is_prepared = file.exists() and file.read_text("utf-8") == _WORLD["config"]
    if is_prepared:
        file.unlink()
    code = subprocess.run([_WORLD["packyproxy"], *words], check=False).returncode
    if is_prepared and not file.exists():
        file.write_text(_WORLD["config"], "utf-8")
    elif file.exists():
        text = file.read_text("utf-8")
        for documented, real in _WORLD["names"]:
            text = text.replace(documented, real)
        file.write_text(text.replace('openai-api-key: "" ', f'openai-api-key: "{_WORLD["key"]}" '), "utf-8")
    return code


def _serve(words: Sequence[str]) -> int:
    """Let it serve until it answers, then stop it as a person would, by Ctrl-C."""
    if words[0] == "serve":
        _mark_of_serving().touch()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    asked = [word for word in words if word.isdigit() and words[words.index(word) - 1] == "--port"]
    command = [_WORLD["packyproxy"], *words, "--port", str(port)]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    lines: list[str] = []
    try:
        for line in serving.stdout:
            lines.append(line)
            if ("Ctrl-C" if words[0] == "demo" else " listens on ") in line:
                _use(f"http://127.0.0.1:{port}", is_recording=words[0] == "record")
                serving.send_signal(signal.SIGINT)
        code = serving.wait(_START_SECONDS)
    finally:
        serving.kill()
    sys.stdout.write("".join(lines).replace(f":{port}", f":{asked[0] if asked else 8317}"))
    return code


def _use(url: str, *, is_recording: bool) -> None:
    """Wait until a server answers; one that records gets something to record."""
    if is_recording:
        _post(f"{url}/v1/messages", "any-value", _QUESTION)
    else:
        urllib.request.urlopen(f"{url}/healthz", timeout=_START_SECONDS).close()


# -- clients


def _post(url: str, key: str, body: object) -> Any:
    """Ask a question; complain where the answer is an error, or does not come from a proxy of ours."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=_START_SECONDS) as answer:
            if "x-packyproxy-provider" not in answer.headers:
                _complain(f"{url} is not packyproxy, or does not say who has answered")
            return json.load(answer)
    except urllib.error.HTTPError as error:
        _complain(f"{url} answered {error.code}: {error.read().decode()}")


def _claude(words: Sequence[str]) -> int:
    """Ask a question where Claude Code's variables lead."""
    if words and words[0] in {"--version", "mcp", "config", "update"}:
        return _not_run(words)
    base = os.environ.get("ANTHROPIC_BASE_URL", "")
    key = os.environ.get("ANTHROPIC_AUTH_TOKEN", "")
    if not base or not key:
        _complain("ANTHROPIC_BASE_URL and ANTHROPIC_AUTH_TOKEN are not both exported here")
    answer = _post(f"{base}/v1/messages", key, _QUESTION)
    return _say("".join(block.get("text", "") for block in answer["content"]))


def _codex(words: Sequence[str]) -> int:
    """Ask a question where the Codex CLI's options and files lead."""
    if words and words[0] in {"--version", "login", "mcp"}:
        return _not_run(words)
    folder = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    file = folder / "config.toml"
    settings: dict[str, Any] = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    profile = None
    for option, value in pairwise(words):
        if option in {"-c", "--config"}:
            _override(settings, value)
        if option in {"-p", "--profile"}:
            profile = value
    if profile:
        file = folder / f"{profile}.config.toml"
        if not file.exists():
            _complain(f"there is no profile {profile!r}: {file} does not exist")
        settings |= tomllib.loads(file.read_text("utf-8"))
    name = settings.get("model_provider", "openai")
    provider = settings.get("model_providers", {}).get(name)
    base = provider["base_url"] if provider else settings.get("openai_base_url")
    if base is None:
        _complain(f"nothing says where the provider {name!r} is: it would ask OpenAI itself")
    key = (provider or {}).get("experimental_bearer_token", "")
    if variable := (provider or {}).get("env_key"):
        key = os.environ.get(variable, "") or _complain(f"${variable} is not set here")
    question = {"role": "user", "content": [{"type": "input_text", "text": "Say hello."}]}
    body = {"model": settings.get("model", "gpt-5"), "input": [{"type": "message", **question}]}
    body |= {"instructions": "You are a coding agent.", "store": False}
    answer = _post(f"{base}/responses", key or "any-value", body)
    texts = [part.get("text", "") for item in answer["output"] for part in item.get("content") or ()]
    return _say("".join(texts))


def _override(settings: dict[str, Any], text: str) -> None:
    path, _, value = text.partition("=")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *tables, key = path.strip().split(".")
    for table in tables:
        settings = settings.setdefault(table, {})
    settings[key] = parsed


# -- installers


def _requirement(text: str) -> None:
    """Complain of a requirement that is none, or of an extra of ours that does not exist."""
    name, _, rest = text.partition("[")
    project = tomllib.loads((_root() / "pyproject.toml").read_text("utf-8"))["project"]
    if name.rstrip("/") in {".", "..", project["name"]} or name.endswith((".whl", ".tar.gz")):
        for extra in filter(None, (part.strip() for part in rest.partition("]")[0].split(","))):
            if extra not in project["optional-dependencies"]:
                _complain(f"there is no extra {extra!r} in pyproject.toml")
    elif not re.match(r"[A-Za-z0-9][\w.-]*(\[[\w, -]+\])?([=<>~!]=?.*)?$|git\+https?://|https?://", text):
        _complain(f"{text!r} is no requirement")


def _pip(words: Sequence[str]) -> int:
    if not words or words[0] not in {"install", "wheel", "show", "check", "list", "inspect", "uninstall"}:
        _complain(f"does not know {' '.join(words[:1])!r}")
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word == "--group":
            groups = tomllib.loads((_root() / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
            if (group := rest.pop(0)) not in groups:
                _complain(f"there is no group {group!r} in pyproject.toml")
        elif word in {"-r", "-c", "--requirement"}:
            _with_files([rest.pop(0)])
        elif word in {"-w", "--wheel-dir", "--find-links", "-t", "--target", "--python", "-p", "--index-url"}:
            rest.pop(0)
        elif words[0] == "install" and not word.startswith("-"):
            _requirement(word)
    return _not_run(words)


def _tool_run(words: Sequence[str], *, option: str) -> int:
    """Check what would be installed, then run the program as if it were (``uvx``, ``pipx run``)."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, _, value = rest.pop(0).partition("=")
        if name in {option, "--with", "--python", "--index-url"}:
            value = value or rest.pop(0)
        if name in {option, "--with"}:
            _requirement(value)
    if not rest:
        _complain("names no program to run")
    program = rest.pop(0)
    if not program.startswith("packyproxy"):
        return _not_run(words)
    _requirement(program)
    return _packyproxy(rest)


def _uvx(words: Sequence[str]) -> int:
    return _tool_run(words, option="--from")


def _pipx(words: Sequence[str]) -> int:
    if words and words[0] == "run":
        return _tool_run(words[1:], option="--spec")
    return _pip(words)


def _uv(words: Sequence[str]) -> int:
    match list(words):
        case ["tool", "run", *rest]:
            return _uvx(rest)
        case ["tool" | "pip", *rest]:
            return _pip(rest)
        case ["venv", *rest]:
            return _make_venv(next((word for word in rest if not word.startswith("-")), ".venv"))
        case ["run" | "sync" | "build" | "add" | "python" | "export", *_]:
            return _not_run(words)
        case _:
            _complain(f"does not know {' '.join(words[:1])!r}")


def _python(words: Sequence[str]) -> int:
    match words:
        case ["-m", "venv", *rest]:
            return _not_run(words) if rest[-1].startswith("/") else _make_venv(rest[-1])
        case ["-m", "pip", *rest]:
            return _pip(rest)
        case ["-m", "pytest", *rest]:
            return _pytest(rest)
        case ["-m", "build" | "twine" | "cyclonedx_py", *rest]:
            return _with_files(rest)
        case [script, *_] if script.startswith("benchmarks/"):
            return _not_run(words) if Path(script).exists() else _complain(f"there is no file {script} here")
    _become(_WORLD["python"], *words)


def _pytest(words: Sequence[str]) -> int:
    _become(_WORLD["python"], "-m", "pytest", "-p", "no:cacheprovider", *words)


def _make_venv(folder: str) -> int:
    programs = Path(folder) / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in IN_VENVS:
        shutil.copy(Path(_WORLD["bin"]) / name, programs / name)
    (programs / "activate").write_text(f'PATH="{programs.absolute()}:$PATH"\n', "utf-8")
    return 0


def _git(words: Sequence[str]) -> int:
    """Let a clone be a folder in which the tree's files stand."""
    if not words or words[0] != "clone":
        return _not_run(words)
    names = [word for word in words[1:] if not word.startswith("-")]
    folder = Path(
        names[1] if len(names) > 1 else names[0].rstrip("/").rpartition("/")[2].removesuffix(".git")
    )
    folder.mkdir()
    for path in Path(_WORLD["folder"]).iterdir():
        if path.name not in {"config.yaml", folder.name}:
            (folder / path.name).symlink_to(path)
    return 0


# -- servers, the system, and what stands in scripts/


def _server(words: Sequence[str]) -> int:
    """Complain of an option that the server does not have, and of an application that is not there."""
    name = sys.argv[1]
    program = Path(_WORLD["python"]).with_name(name)
    if not program.exists():
        return _not_run(words)
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and not re.search(rf"{option}\b(?!-)", usage):
            _complain(f"there is no option {option}")
        if match := re.fullmatch(r"(\w+):(\w+)(\(\))?", word):
            attribute = f"import {match[1]}; assert callable({match[1]}.{match[2]})"
            subprocess.run([_WORLD["python"], "-c", attribute], check=True)
    return _not_run(words)


def _openssl(words: Sequence[str]) -> int:
    if words[:2] == ["rand", "-hex"]:
        return _say(_WORLD["management-key"])  # that of the running proxy, which began earlier
    program = shutil.which("openssl", path=_USUAL_PATH)
    if program is None:
        _complain("is not installed here")
    _become(program, *words)


def _sudo(words: Sequence[str]) -> int:
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in {"-u", "-g"}:
            rest.pop(0)
    program = rest[0] if rest else _complain("names no program")
    known = _PROGRAMS.get(program, _with_files)
    return known(rest[1:])


def _script(words: Sequence[str]) -> int:
    """Check the arguments of a script of the tree; of all of them only the demo is run."""
    name = Path(sys.argv[1]).name
    if not os.access(_root() / sys.argv[1], os.X_OK):
        _complain("is not there, or is no program")
    if name == "demo":
        return _packyproxy(["demo", *words])
    if name == "bench":
        return _benchmark(words)
    if name in {"test", "test-clients", "coverage"}:
        for word in words:
            if not word.startswith("-") and "/" in word and not (_root() / word.partition("::")[0]).exists():
                _complain(f"there are no tests {word}")
        return _not_run(words)
    return _with_files(words)


def _benchmark(words: Sequence[str]) -> int:
    """Read the arguments as the benchmarks do, which need what is installed."""
    site.main()
    sys.path[:0] = [str(_root() / "benchmarks"), str(_root())]
    import run  # type: ignore[import-not-found]

    for question in run._parser().parse_args(list(words)).questions:
        if question not in run.QUESTIONS:
            _complain(f"there is no question {question!r}")
    return _not_run(words)


_PROGRAMS: dict[str, Callable[[Sequence[str]], int]] = {
    "packyproxy": _packyproxy,
    "claude": _claude,
    "codex": _codex,
    "openssl": _openssl,
    "sudo": _sudo,
    "git": _git,
    "pip": _pip,
    "pip3": _pip,
    "pipx": _pipx,
    "uv": _uv,
    "uvx": _uvx,
    "python": _python,
    "python3": _python,
    "pytest": _pytest,
    **dict.fromkeys(("uvicorn", "hypercorn", "granian"), _server),
    **dict.fromkeys(
        (
            *("docker", "podman", "kubectl", "helm", "systemctl", "systemd-analyze", "journalctl"),
            *("systemd-creds", "loginctl", "useradd", "install", "chown", "npm", "npx", "nginx", "caddy"),
            *("apt", "apt-get", "brew", "logrotate", "wrk", "open", "xdg-open"),
        ),
        _with_files,
    ),
    **dict.fromkeys(
        (
            *("scripts/demo", "scripts/test", "scripts/check", "scripts/bench", "scripts/coverage"),
            *(
                "scripts/docs",
                "scripts/diagrams",
                "scripts/test-clients",
                "scripts/venv",
                "scripts/dist",
                ".ci/run",
            ),
        ),
        _script,
    ),
}
NAMES = tuple(_PROGRAMS)
"""Of all stand-ins; those with a slash stand in the reader's folder, the others on the path."""


if __name__ == "__main__":
    _WORLD.update(json.loads(Path(os.environ["READERS_WORLD"]).read_text("utf-8")))
    raise SystemExit(_PROGRAMS[sys.argv[1]](sys.argv[2:]))
