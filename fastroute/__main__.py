"""Inspect, check and measure the routes of a Starlette or FastAPI application."""

import argparse
import os
import sys
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType
from typing import NamedTuple

from . import __version__

__all__ = ["main"]


class Command(NamedTuple):
    """One command. Its module `fastroute.commands.<name>` has `add_arguments(parser)` and `run(arguments) -> int`."""

    summary: str
    extra: str | None = None


COMMANDS = {
    "asyncapi": Command("write the AsyncAPI document of the WebSockets, or compare it with a committed one"),
    "bench": Command("measure routing and matching on your own routes, fastroute beside Starlette"),
    "check": Command("find routes that nothing can reach, and WebSockets that nobody guards"),
    "demo": Command("serve a small chat on a real server and call it, with valid and invalid requests", extra="demo"),
    "fuzz": Command("compare the compiled matcher with the pure one and with Starlette", extra="fuzz"),
    "info": Command("show which version and implementation runs here, and why"),
    "match": Command("show which route answers a path, and why the others do not"),
    "plan": Command("show the calls of a WebSocket route, and the code generated from it"),
    "routes": Command("show the routes of an application as a tree"),
}


def _load(name: str) -> ModuleType:
    extra = COMMANDS[name].extra
    try:
        return import_module(f"fastroute.commands.{name}")
    except ModuleNotFoundError as error:
        if extra is None or error.name is None or error.name.partition(".")[0] == "fastroute":
            raise
        raise argparse.ArgumentTypeError(f"needs {error.name}: pip install 'fastroute[{extra}]'") from error


def main(argv: list[str] | None = None) -> int:
    """Run one command of `python -m fastroute`, or of the script `fastroute`.

    Only the module of that command is imported, so that a missing extra of another command does no harm.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that cannot show a character of a path gets its escape instead of a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    argv = sys.argv[1:] if argv is None else argv
    try:
        return _run(argv)
    except argparse.ArgumentTypeError as error:
        print(f"fastroute {argv[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + 2  # as a shell reports SIGINT
    except BrokenPipeError:
        # The interpreter flushes the output once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # as a shell reports SIGPIPE


def _run(argv: list[str]) -> int:
    asked = next((argument for argument in argv if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(prog="python -m fastroute", description=__doc__)
    parser.add_argument("--version", action="version", version=f"fastroute {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=command.summary,
            description=command.summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == asked:
            module = _load(name)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    if not argv:
        parser.print_help()
        return 0
    if asked is not None and asked not in COMMANDS:
        close = get_close_matches(asked, COMMANDS, 1)
        parser.error(f"there is no command {asked!r}" + (f"; did you mean {close[0]}?" if close else ""))
    arguments, extras = parser.parse_known_args(argv)
    if extras and "finish" not in arguments:
        parser.error(f"unrecognized arguments: {' '.join(extras)}")
    if "finish" in arguments:
        arguments.finish(arguments, extras)
    code: int = arguments.run(arguments)
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
