"""``packyproxy COMMAND``: parse the arguments, run the command, turn its errors into exit codes.

Exit codes: 0 success, 2 usage or configuration error (every problem is printed), 1 any other failure.
Commands are imported when they run, so ``--help`` answers at once.
"""

import argparse
import sys
from collections.abc import Sequence

from packyproxy.cli.failures import CommandFailed
from packyproxy.errors import ConfigError
from packyproxy.version import __version__

__all__ = ["main"]

_EXAMPLES = """\
first steps:
  packyproxy demo                       try it: no key, no network
  packyproxy check                      is my config.yaml right?
  packyproxy serve                      run the proxy on http://127.0.0.1:8317

then, in the shell where Claude Code runs:
  export ANTHROPIC_BASE_URL=http://127.0.0.1:8317
  export ANTHROPIC_AUTH_TOKEN=any-value   (or one of your api-keys)
  claude

the configuration file is the first of: --config PATH, $PACKYPROXY_CONFIG, ./config.yaml,
$XDG_CONFIG_HOME/packyproxy/config.yaml (~/.config when that is unset)
"""

_SERVE_EXAMPLES = """\
examples:
  packyproxy serve
  packyproxy serve --config ~/proxy.yaml --port 9000
  packyproxy serve --host 0.0.0.0       needs api-keys in the configuration, or --allow-open

SIGTERM and Ctrl-C stop accepting connections and let running answers finish; the same again ends at once.
"""

_DEMO_EXAMPLES = """\
examples:
  packyproxy demo                       one answer, then keeps serving for curl and Claude Code
  packyproxy demo --once                one answer, then ends
"""

_CHECK_EXAMPLES = """\
examples:
  packyproxy check
  packyproxy check --config /etc/packyproxy/config.yaml

Problems are printed one per line as `path: what is wrong: how to mend it`; the exit code is then 2.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``argv`` defaults to the process's arguments."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 2
    except CommandFailed as error:
        print(f"packyproxy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "serve":
        from packyproxy.cli.serve import serve

        return serve(
            arguments.config,
            host=arguments.host,
            port=arguments.port,
            workers=arguments.workers,
            allow_open=arguments.allow_open,
        )
    if arguments.command == "demo":
        from packyproxy.cli.demo import demo

        return demo(host=arguments.host, port=arguments.port, once=arguments.once)
    from packyproxy.cli.check import check

    return check(arguments.config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="packyproxy",
        description="Use any OpenAI Responses provider from Claude Code and the Anthropic SDK.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"packyproxy {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = _command(commands, "serve", "run the proxy", _SERVE_EXAMPLES)
    _add_config(serve)
    serve.add_argument(
        "--host", metavar="H", help="address to listen on, over the configuration (default 127.0.0.1)"
    )
    serve.add_argument(
        "--port", metavar="N", type=_port, help="port, over the configuration (default 8317); 0 = any free"
    )
    serve.add_argument(
        "--workers",
        metavar="N",
        type=_workers,
        default=1,
        help="processes that share the port; each keeps its own state",
    )
    serve.add_argument(
        "--allow-open", action="store_true", help="listen beyond loopback although no api-keys are configured"
    )
    demo = _command(
        commands, "demo", "run the proxy over a built-in fake upstream: no key, no network", _DEMO_EXAMPLES
    )
    demo.add_argument("--once", action="store_true", help="show one answer and end")
    demo.add_argument(
        "--host", metavar="H", default="127.0.0.1", help="address to listen on (default 127.0.0.1)"
    )
    demo.add_argument(
        "--port", metavar="N", type=_port, help="port (default 8317, or any free one when that is taken)"
    )
    check = _command(commands, "check", "validate the configuration and show what it means", _CHECK_EXAMPLES)
    _add_config(check)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="PATH", help="the configuration file (default: see packyproxy --help)"
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError("must be a number from 0 to 65535")


def _workers(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 64:
        return int(text)
    raise argparse.ArgumentTypeError("must be a number from 1 to 64")
