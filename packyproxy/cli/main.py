"""``packyproxy COMMAND``: read the command line, run the command, turn its errors into exit codes.

Exit codes: 0 success, 2 usage or configuration error (every problem is printed), 1 any other failure.
Commands are imported when they run, so ``--help`` answers at once.
"""

import errno
import gc
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from packyproxy.cli.failures import CommandFailed, WrongUsage
from packyproxy.cli.parser import read_arguments
from packyproxy.cli.streams import forget_output, prepare_streams
from packyproxy.errors import ConfigError

__all__ = ["main"]

_OBJECTS_UNTIL_COLLECTION: Final = 10_000
_OUTPUT_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``argv`` defaults to the process's arguments."""
    prepare_streams()
    try:
        code = _run(read_arguments(argv))
        sys.stdout.flush()
        return code
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 2
    except WrongUsage as error:
        print(f"packyproxy: {error}", file=sys.stderr)
        return 2
    except CommandFailed as error:
        print(f"packyproxy: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        forget_output()  # whoever read it has enough
        return 1
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS:
            raise
        forget_output()
        print(
            f"packyproxy: the output cannot be written ({os.strerror(error.errno).lower()})", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        return 1


def _run(arguments: Namespace) -> int:
    match arguments.command:
        case "serve":
            # Loading the server makes no garbage; to look for it at the usual pace takes 30 ms of 400.
            gc.set_threshold(_OBJECTS_UNTIL_COLLECTION)
            from packyproxy.cli.commands.serve import serve

            return serve(
                arguments.config,
                host=arguments.host,
                port=arguments.port,
                workers=arguments.workers,
                grace_seconds=arguments.grace,
                allow_open=arguments.allow_open,
                packycode=arguments.packycode,
                tppc=arguments.tppc,
            )
        case "run":
            from packyproxy.cli.commands.run import run

            return run(arguments.config, arguments.child)
        case "record" if arguments.show is not None:
            from packyproxy.cli.commands.record import show

            return show(arguments.show)
        case "record":
            from packyproxy.cli.commands.record import record

            return record(
                arguments.config,
                arguments.child,
                output=arguments.output,
                replaces=arguments.force,
                port=arguments.port,
            )
        case "demo":
            from packyproxy.cli.commands.demo import demo

            return demo(arguments.config, host=arguments.host, port=arguments.port, once=arguments.once)
        case "init" | "import-codex" | "migrate":
            return _write(arguments)
        case _:
            return _show(arguments)


def _write(arguments: Namespace) -> int:
    """Run a command that makes or changes the configuration file."""
    match arguments.command:
        case "init":
            from packyproxy.cli.commands.init import init

            return init(arguments.config, template=arguments.template)
        case "import-codex":
            from packyproxy.cli.commands.import_codex import import_codex

            return import_codex(arguments.config, write=arguments.write, target=arguments.target)
        case _:
            from packyproxy.cli.commands.migrate import migrate

            return migrate(arguments.config, write=arguments.write)


def _show(arguments: Namespace) -> int:
    """Run a command that only looks."""
    match arguments.command:
        case "check":
            from packyproxy.cli.commands.check import check

            return check(arguments.config, as_json=arguments.as_json)
        case "doctor" if arguments.privacy:
            from packyproxy.cli.commands.privacy import privacy

            return privacy(as_json=arguments.as_json)
        case "doctor":
            from packyproxy.cli.commands.doctor import doctor

            return doctor(arguments.config, as_json=arguments.as_json)
        case "models":
            from packyproxy.cli.commands.models import models

            return models(arguments.config, provider=arguments.provider, as_json=arguments.as_json)
        case "explain":
            from packyproxy.cli.commands.explain import explain

            return explain(arguments.config, arguments.model, as_json=arguments.as_json)
        case _:
            from packyproxy.cli.commands.translate import translate

            return translate(
                arguments.config,
                protocol=arguments.protocol,
                model=arguments.model,
                is_response=arguments.is_response,
            )
