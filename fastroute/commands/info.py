"""`python -m fastroute info`: the versions that run here, and why this twin of the kernels."""

import argparse
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pydantic
import starlette

from .. import __version__
from ..matching.implementation import IMPLEMENTATION, KERNELS, REASON
from ._terminal import print_lines

__all__ = ["add_arguments", "changed_since_built", "facts", "run"]


def changed_since_built() -> list[Path]:
    """The sources of imported kernels, built in place, that are newer than the extensions built from them."""
    modules = [sys.modules.get(f"fastroute.matching.{kernel}_c") for kernel in KERNELS]
    extensions = [Path(str(module.__file__)) for module in modules if module is not None]
    return [
        source
        for extension in extensions
        for suffix in (".pyx", ".pxd")
        if (source := extension.with_name(extension.name.partition(".")[0] + suffix)).exists()
        and source.stat().st_mtime > extension.stat().st_mtime
    ]


def facts() -> dict[str, str]:
    """The installation, for a bug report: a label and a text for each line."""
    changed = "".join(f"; {source.name} has changed since: build again" for source in changed_since_built())
    return {
        "fastroute": f"{__version__} in {Path(__file__).parent.parent}",
        "implementation": f"{IMPLEMENTATION} ({REASON}{changed})",
        "Python": f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}",
        "GIL": "enabled" if getattr(sys, "_is_gil_enabled", lambda: True)() else "disabled",
        "starlette": starlette.__version__,
        "pydantic": pydantic.VERSION,
        "fastapi": _version("fastapi"),
        "uvicorn": _version("uvicorn"),
        "websockets": _version("websockets"),
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the same as JSON, for tools")
    parser.epilog = "examples:\n  python -m fastroute info\n  python -m fastroute info --json"


def run(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(facts(), indent=2))
        return 0
    print_lines(f"{label:<14}  {text}" for label, text in facts().items())
    return 0
