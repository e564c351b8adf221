"""The command line's grammar: every command with its options, a help text that teaches, and examples.

Nothing but argparse is imported here, so help and wrong usage answer at once. What is wrong with a command
line is said on stderr, with what was probably meant, and ends the process with exit code 2.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from packyproxy.version import __version__

__all__ = ["read_arguments"]

_OPTIONS_OF_NO_COMMAND: Final = ("-h", "--help", "--version")
_WITH_CHILD: Final = ("run", "record")
_EXIT_CODES: Final = "exit codes: 0 success, 2 wrong usage or configuration, 1 any other failure"

_OVERVIEW: Final = f"""\
first steps:
  packyproxy demo         try it: no key, no network
  packyproxy init         write a config.yaml to put your key into
  packyproxy check        is it right?
  packyproxy doctor       does the provider answer? (costs a few tokens)
  packyproxy serve        run the proxy on http://127.0.0.1:8317

then, in the shell where Claude Code runs:
  export ANTHROPIC_BASE_URL=http://127.0.0.1:8317
  export ANTHROPIC_AUTH_TOKEN=any-value   # or one of your api-keys
  claude

or all of that for one run only:
  packyproxy run -- claude     or codex, or any program that uses an SDK

the configuration file is the first of: --config PATH, $PACKYPROXY_CONFIG,
./config.yaml, $XDG_CONFIG_HOME/packyproxy/config.yaml (~/.config when unset)

{_EXIT_CODES}
"""

_SERVE: Final = f"""\
examples:
  packyproxy serve
  packyproxy serve --config ~/proxy.yaml --port 9000
  packyproxy serve --host 0.0.0.0       needs api-keys, or --allow-open
  packyproxy serve --packycode --tppc   does not start without either of them

Saving the configuration file applies it within a second; a file with problems
changes nothing. With remote-management.secret-key in it, or
$MANAGEMENT_PASSWORD, the proxy can also be watched and changed under
/v0/management (docs/management-api.md).
SIGTERM and Ctrl-C stop accepting connections and let running answers finish,
for --grace seconds at most; the same again ends at once.

{_EXIT_CODES}
"""

_DEMO: Final = f"""\
examples:
  packyproxy demo                       one answer, then serves on
  packyproxy demo --once                one answer, then ends
  packyproxy demo --config config.yaml  with your api-keys and model-map

{_EXIT_CODES}
"""

_INIT: Final = f"""\
examples:
  packyproxy init                       for packycode; put your key into it
  packyproxy init --template tppc       for any other provider, or several
  packyproxy init --template codex-cli  for the provider of the Codex CLI

An existing file is never overwritten. The new one is checked as
`packyproxy check` does.

{_EXIT_CODES}
"""

_CHECK: Final = f"""\
examples:
  packyproxy check
  packyproxy check --config /etc/packyproxy/config.yaml
  packyproxy check --json | jq .problems

Problems are printed one per line as `path: what is wrong: how to mend it`; the
exit code is then 2. Warnings are settings that are allowed and probably not
meant; they leave it at 0.

{_EXIT_CODES}
"""

_DOCTOR: Final = f"""\
examples:
  packyproxy doctor
  packyproxy doctor --json
  packyproxy doctor --privacy           proves that no content and no key leaks

Each enabled provider is asked for two words, which costs a few tokens. Looked
at besides: the configuration, the way to each provider, the port, and what
Claude Code and OpenAI's clients would use in this shell. A line that begins
with `failed` is something to mend, and the exit code is then 1.

--privacy asks nobody and reads no configuration: in some ten seconds it sends
made-up texts and keys through the proxy on every path, failures included, and
searches for them in log lines, metrics, traces, audit, management answers,
errors and files. The exit code is 1 if one was found where it does not belong.

{_EXIT_CODES}
"""

_MODELS: Final = f"""\
examples:
  packyproxy models
  packyproxy models --provider packycode
  packyproxy models --json | jq -r '.models[].id'

{_EXIT_CODES}
"""

_EXPLAIN: Final = f"""\
examples:
  packyproxy explain claude-opus-4-1    what a name of Claude Code becomes here
  packyproxy explain gpt-5-high
  packyproxy explain packycode/gpt-5    asks that provider alone

Nothing is sent anywhere.

{_EXIT_CODES}
"""

_TRANSLATE: Final = f"""\
examples:
  packyproxy translate < request.json
  packyproxy translate --model gpt-5-low < request.json | jq .input
  packyproxy translate --from chat < request.json
  packyproxy translate --response < upstream.sse

Nothing is sent anywhere. The output holds what the input held: it is the only
output that does.

{_EXIT_CODES}
"""

_IMPORT_CODEX: Final = f"""\
examples:
  packyproxy import-codex            shows what it would write; writes nothing
  packyproxy import-codex --write
  packyproxy import-codex --write --target tppc

Reads config.toml and auth.json in $CODEX_HOME (~/.codex when that is unset).

{_EXIT_CODES}
"""

_MIGRATE: Final = f"""\
examples:
  packyproxy migrate            shows the file as it would be; writes nothing
  packyproxy migrate --write

{_EXIT_CODES}
"""

_RUN: Final = f"""\
examples:
  packyproxy run -- claude
  packyproxy run --config ~/proxy.yaml -- claude -p "Say hello"
  packyproxy run -- codex

The server has a free port and a key of its own and ends with the program, whose
exit code is passed on. The program finds both in ANTHROPIC_BASE_URL,
ANTHROPIC_AUTH_TOKEN, OPENAI_BASE_URL and OPENAI_API_KEY; the Codex CLI, which
reads none of them, is given them by options.

{_EXIT_CODES}
"""

_RECORD: Final = f"""\
examples:
  packyproxy record -- claude -p "List the files here"
  packyproxy record -o bug.jsonl        serves on a free port until Ctrl-C
  packyproxy record --show bug.jsonl    what is in it: look before you attach it

The file holds what the providers sent, event by event, with sizes, times and
the cuts of network reads; every text is filler of the same length, ids are
numbered, keys and hosts are left out. What an upstream said is written when its
answer has ended. In a test, Cassette.load("bug.jsonl").upstream() of
packyproxy.testing is a fake upstream that answers so again (docs/cassettes.md).

{_EXIT_CODES}
"""


def read_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line; ``argv`` defaults to the process's arguments.

    The result has ``command`` and the options of that command; those of ``run`` and ``record`` include
    ``child``, the words after ``--``. Help, version and wrong usage end the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser, commands = _build()
    if not words:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    name = words[0]
    if not name.startswith("-") and name not in commands:
        parser.error(f"there is no command {name!r}{_guess(name, commands)}")
    if name.startswith("-") and name not in _OPTIONS_OF_NO_COMMAND:
        parser.error(_misplaced(name.partition("=")[0], commands.values()))
    child: list[str] = []
    if name in _WITH_CHILD and "--" in words:
        place = words.index("--")
        words, child = words[:place], words[place + 1 :]
    arguments, unknown = parser.parse_known_args(words)
    command = commands[arguments.command]
    if name in _WITH_CHILD:
        arguments.child = child
    is_without_dashes = bool(unknown) and not unknown[0].startswith("-")
    if not child and (name == "run" or (name in _WITH_CHILD and is_without_dashes)):
        command.error(f"name the program after --, for instance: packyproxy {name} -- claude")
    if unknown:
        option = unknown[0].partition("=")[0]
        command.error(f"unknown argument {option}{_guess(option, _options_of(command))}")
    return arguments


def _misplaced(option: str, commands: Iterable[argparse.ArgumentParser]) -> str:
    """Say what is wrong with an option that stands before the command."""
    if any(option in _options_of(command) for command in commands):
        return f"{option} belongs after a command: packyproxy COMMAND {option}"
    return f"unknown argument {option}{_guess(option, _OPTIONS_OF_NO_COMMAND)}"


def _options_of(command: argparse.ArgumentParser) -> list[str]:
    return re.findall(r"--[a-z-]+", command.format_usage())


def _guess(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f": did you mean {near[0]}?" if near else "; --help shows what there is"


def _build() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser, and that of each command by its name."""
    parser = argparse.ArgumentParser(
        prog="packyproxy",
        description=(
            "Use any OpenAI Responses provider from Claude Code, the Codex CLI,\n"
            "and the SDKs of Anthropic and OpenAI."
        ),
        usage="packyproxy [-h] [--version] COMMAND ...",
        epilog=f"commands:\n{_summaries()}\n\n{_OVERVIEW}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"packyproxy {__version__}")
    adding = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", prog="packyproxy", help=argparse.SUPPRESS
    )
    commands = {}
    for name, (add_options, summary, examples) in _COMMANDS.items():
        commands[name] = adding.add_parser(
            name,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        add_options(commands[name])
    return parser, commands


def _summaries() -> str:
    """Return a line for each command; argparse would break one whose name is as long as the longest."""
    width = max(map(len, _COMMANDS)) + 2
    return "\n".join(f"  {name:<{width}}{summary}" for name, (_, summary, _) in _COMMANDS.items())


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="PATH", help="the configuration file (default: see packyproxy --help)"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON, for programs")


def _add_write(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--write", action="store_true", help="change the file; without it nothing is written")


def _serve_options(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument(
        "--host", metavar="H", help="address to listen on, over the configuration (default 127.0.0.1)"
    )
    parser.add_argument(
        "--port", metavar="N", type=_port, help="port, over the configuration (default 8317); 0 = any free"
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=_workers,
        default=1,
        help="processes that share the port; each keeps its own state and its own numbers",
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=_seconds,
        default=30,
        help="at the end, how long running answers may go on (default 30)",
    )
    parser.add_argument(
        "--packycode",
        action="store_true",
        help="end with exit code 2 if the packycode block is missing or incomplete",
    )
    parser.add_argument(
        "--tppc", action="store_true", help="the same for the providers listed under tppc.providers"
    )
    parser.add_argument(
        "--allow-open", action="store_true", help="listen beyond loopback although no api-keys are configured"
    )


def _demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="PATH", help="try the settings of this file; its providers are not asked"
    )
    parser.add_argument("--once", action="store_true", help="show one answer and end")
    parser.add_argument(
        "--host", metavar="H", default="127.0.0.1", help="address to listen on (default 127.0.0.1)"
    )
    parser.add_argument(
        "--port", metavar="N", type=_port, help="port (default 8317, or any free one when that is taken)"
    )


def _init_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="PATH", help="the file to write (default ./config.yaml)")
    parser.add_argument(
        "--template",
        choices=("packycode", "tppc", "codex-cli"),
        default="packycode",
        help="what to begin with (default packycode)",
    )


def _check_options(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    _add_json(parser)


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    _check_options(parser)
    parser.add_argument(
        "--privacy", action="store_true", help="prove that no content and no key leaks; asks nobody"
    )


def _models_options(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument("--provider", metavar="NAME", help="only what this provider serves")
    _add_json(parser)


def _explain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model's name as a client would send it")
    _add_config(parser)
    _add_json(parser)


def _translate_options(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument(
        "--from",
        dest="protocol",
        metavar="PROTOCOL",
        default="messages",
        help="the client's protocol: messages, chat or responses (default messages)",
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="take this model instead of the request's; with --response: the name that the answer repeats",
    )
    parser.add_argument(
        "--response",
        dest="is_response",
        action="store_true",
        help="stdin is an upstream's SSE stream: print what the client would get",
    )


def _import_codex_options(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    _add_write(parser)
    parser.add_argument(
        "--target",
        choices=("packycode", "tppc"),
        default="packycode",
        help="the block to write: packycode, or one more of tppc.providers (default packycode)",
    )


def _migrate_options(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    _add_write(parser)


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "packyproxy run [-h] [--config PATH] -- PROGRAM [ARGUMENT ...]"
    _add_config(parser)


def _record_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "packyproxy record [-h] [-o FILE] [--force] [--config PATH] [--port N]\n"
        "                         [-- PROGRAM [ARGUMENT ...]]\n"
        "       packyproxy record --show FILE"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="cassette.jsonl",
        help="the file to write (default ./cassette.jsonl)",
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    _add_config(parser)
    parser.add_argument(
        "--port",
        metavar="N",
        type=_port,
        default=0,
        help="without a program: port on 127.0.0.1 (default: any free one)",
    )
    parser.add_argument("--show", metavar="FILE", help="record nothing: show what a cassette holds")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError("must be a number from 0 to 65535")


def _workers(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 64:
        return int(text)
    raise argparse.ArgumentTypeError("must be a number from 1 to 64")


def _seconds(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 86_400:
        return int(text)
    raise argparse.ArgumentTypeError("must be a number of seconds from 0 to 86400")


_COMMANDS: Final[dict[str, tuple[Callable[[argparse.ArgumentParser], None], str, str]]] = {
    "serve": (_serve_options, "run the proxy", _SERVE),
    "run": (_run_options, "run one program over a private proxy that ends with it", _RUN),
    "record": (_record_options, "record what providers answer, without its content, for tests", _RECORD),
    "demo": (_demo_options, "run the proxy over a built-in upstream: no key, no network", _DEMO),
    "init": (_init_options, "write a commented configuration file", _INIT),
    "check": (_check_options, "validate the configuration and show what it means", _CHECK),
    "doctor": (_doctor_options, "ask every provider, and look for what is in a client's way", _DOCTOR),
    "models": (_models_options, "list the models that clients can ask for", _MODELS),
    "explain": (_explain_options, "show what a model name becomes, and who would be asked", _EXPLAIN),
    "translate": (_translate_options, "translate a request, or an upstream's answer, from stdin", _TRANSLATE),
    "import-codex": (_import_codex_options, "take over the provider of the Codex CLI", _IMPORT_CODEX),
    "migrate": (_migrate_options, "move the packycode block to the list of tppc providers", _MIGRATE),
}
"""What adds its options, what it does in a line, and how it is used; in the order of the overview."""
