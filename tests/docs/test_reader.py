"""The reader who types the commands of the documents: what lasts from block to block, and what stops it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.documents import Block
from tests.support.reader import CommandFailed, Reader
from tests.support.stand_ins.world import UNCHECKED

pytestmark = pytest.mark.e2e

CONFIG = """\
# config.yaml
packycode:
  enabled: true
  base-url: "https://codex-api.packycode.com/v1"
  credentials: {openai-api-key: "sk-0123456789"}
  models: [MODEL]
"""
LIST = """\
python -c 'from urllib.request import urlopen; print(urlopen("http://127.0.0.1:8317/v1/models").read())'
"""
CODEX = """\
# ~/.codex/config.toml
model_provider = "other"
[model_providers.other]
name = "other"
base_url = "https://codex-api.packycode.com/v1"
"""


ASTRAY = [
    ("claude", "are not both exported"),
    ("ANTHROPIC_BASE_URL=https://codex-api.packycode.com ANTHROPIC_AUTH_TOKEN=k claude", "answered 404"),
    ("codex", "would ask OpenAI itself"),
    (
        "codex -c model_provider=x -c model_providers.x.base_url=https://codex-api.packycode.com/v1",
        "answered 400",
    ),
    ("codex --profile none", "there is no profile 'none'"),
    ("pip install '.[none]'", "there is no extra 'none'"),
    ("pip install --group none", "there is no group 'none'"),
    ("pipx install 'packyproxy[fast,none]'", "there is no extra 'none'"),
    ("uvx --from '.[none]' packyproxy demo", "there is no extra 'none'"),
    ("uvx --from . packyproxy none", "there is no command 'none'"),
    ("uv frobnicate", "does not know 'frobnicate'"),
    ("docker build --file none/Dockerfile .", "there is no file none/Dockerfile"),
    ("sudo systemctl enable none.service", "there is no file none.service"),
    ("kubectl apply --filename none.yaml", "there is no file none.yaml"),
    ("uvicorn os:getcwd --none", "there is no option --none"),
    ("scripts/test tests/none", "there are no tests tests/none"),
    ("scripts/bench none", "there is no question 'none'"),
    ("scripts/demo --none", "unknown argument --none"),
    ("python benchmarks/none.py", "there is no file benchmarks/none.py"),
    ("packyproxy serve --none", "unknown argument --none"),
]
"""Commands that would not do what a page says, and what is said of each."""


def block(text: str, language: str = "sh") -> Block:
    return Block("README.md", 1, language, text, section=1)


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    """A reader who has a provider at the address that the blocks below name."""
    async with Reader(tmp_path, [block(CONFIG, "yaml")]) as reader:
        yield reader


async def test_variables_and_functions_last(reader: Reader) -> None:
    """What a block sets holds for the next one, and so does the folder that it has gone to."""
    await reader.run(block('export A=1\nsay() { echo "$A $1"; }\nmkdir below\ncd below\n'))
    printed = await reader.run(block("say two\npwd\n"))
    assert "1 two\n/home/you/packyproxy/below\n" == printed.output


async def test_a_failure_ends_the_page(reader: Reader) -> None:
    """What is printed until a command fails is told, what comes behind it is not done."""
    with pytest.raises(CommandFailed, match="before") as failed:
        await reader.run(block("echo before\nfalse\necho behind\n"))
    assert "behind" not in str(failed.value)


async def test_a_variable_that_nobody_set_is_a_failure(reader: Reader) -> None:
    """A block may not count on what the page has not exported."""
    with pytest.raises(CommandFailed, match="KEY"):
        await reader.run(block('echo "$KEY"\n'))


async def test_a_written_configuration_is_in_force(reader: Reader) -> None:
    """What a block makes of ``config.yaml`` holds when the next block begins."""
    reader.put(block(CONFIG.replace("MODEL", "gpt-5"), "yaml"))
    assert '"gpt-5"' in (await reader.run(block(LIST))).output
    await reader.run(block("sed -i 's/gpt-5/gpt-5-mini/' config.yaml\n"))
    assert '"gpt-5-mini"' in (await reader.run(block(LIST))).output


async def test_python_asks_the_same_proxy(reader: Reader) -> None:
    """A block of Python that names the proxy's address is run beside it."""
    text = 'from urllib.request import urlopen\nprint(urlopen("http://127.0.0.1:8317/healthz").status)\n'
    assert "200\n" == (await reader.run(block(text, "python"))).output


async def test_commands_that_lead_astray_are_refused(reader: Reader) -> None:
    """Whatever stands in for a program looks at what it is given, and says what is wrong with it."""
    accepted = []
    for command, complaint in ASTRAY:
        printed = await reader.run(block(f"({command}) && echo accepted || echo refused\n"))
        if printed.output != "refused\n" or complaint not in printed.errors:
            accepted.append((command, *printed))
    assert [] == accepted


async def test_the_files_of_the_codex_cli_lead_to_the_proxy(reader: Reader) -> None:
    """Settings that lead to the provider itself are refused; those that lead to the proxy are answered."""
    reader.put(block(CODEX.replace("https://codex-api.packycode.com", "http://127.0.0.1:8317"), "toml"))
    assert "Hello.\n" == (await reader.run(block("codex\n"))).output


async def test_what_installs_does_nothing(reader: Reader) -> None:
    """What is right is not run, and says that its output is not to be compared."""
    commands = "pip install '.[fast]'\nuv sync\ndocker build --file Dockerfile .\n"
    (reader.folder / "Dockerfile").touch()
    assert f"{UNCHECKED}\n" * 3 == (await reader.run(block(commands))).output
