"""`python -m fastroute asyncapi`: the document of the WebSockets of an application, and its drift."""

import argparse
import difflib
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from ..asyncapi import document
from ._files import output_file, read_text, write_text
from ._loading import add_application
from ._terminal import shows_unicode

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser)
    parser.add_argument("--format", choices=("json", "yaml"), help="default: that of the file's name, else JSON")
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--out", metavar="FILE", type=output_file, help="write the document there, and print nothing")
    files.add_argument(
        "--check", metavar="FILE", type=Path, help="compare: exit with 1 if the file differs, with a diff"
    )
    parser.add_argument("--title", help="of the document (default: of the application)")
    parser.add_argument("--api-version", metavar="VERSION", help="of the document (default: of the application)")
    parser.epilog = """\
YAML needs the extra: pip install 'fastroute[yaml]'

examples:
  python -m fastroute asyncapi main:app
  python -m fastroute asyncapi main:app --out asyncapi.json
  python -m fastroute asyncapi main:app --check asyncapi.json"""


def run(arguments: argparse.Namespace) -> int:
    described = document(arguments.app, title=arguments.title, version=arguments.api_version)
    file: Path | None = arguments.check or arguments.out
    named = "yaml" if file is not None and file.suffix in (".yaml", ".yml") else "json"
    # What is printed may go to a terminal that cannot show everything.
    text = _written(described, arguments.format or named, escaped=file is None and not shows_unicode())
    if arguments.check is not None:
        return _check(arguments.check, text)
    if arguments.out is not None:
        write_text(arguments.out, text)
    else:
        print(text, end="")
    return 0


def _written(described: dict[str, Any], kind: str, *, escaped: bool) -> str:
    if kind == "json":
        return json.dumps(described, indent=2, ensure_ascii=escaped) + "\n"
    try:
        yaml = import_module("yaml")
    except ModuleNotFoundError:
        raise argparse.ArgumentTypeError("YAML needs PyYAML: pip install 'fastroute[yaml]'") from None
    # JSON first: YAML would write equal objects as anchors.
    plain = json.loads(json.dumps(described))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=not escaped, width=120)
    return text


def _check(file: Path, text: str) -> int:
    try:
        committed = read_text(file)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; write it with --out {file}") from None
    lines = list(
        difflib.unified_diff(
            committed.splitlines(), text.splitlines(), f"{file}", f"{file} as the application is now", lineterm="", n=3
        )
    )
    if not lines:
        print(f"{file} is up to date")
        return 0
    print("\n".join(lines))
    print(f"\n{file} is not what the application does now; write it with --out {file}")
    return 1
