"""`python -m fastroute info`: which fastroute runs here, on what, and why this twin of the kernels."""

import argparse
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from . import __version__
from ._implementation import IMPLEMENTATION, REASON

__all__ = ["add_arguments", "facts", "run"]


def facts() -> dict[str, str]:
    """What a bug report should say about the installation: a label and a text for each line."""
    return {
        "fastroute": f"{__version__} in {Path(__file__).parent}",
        "implementation": f"{IMPLEMENTATION} ({REASON})",
        "Python": f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}",
        "GIL": "enabled" if getattr(sys, "_is_gil_enabled", lambda: True)() else "disabled",
        "starlette": version("starlette"),
        "pydantic": version("pydantic"),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example:\n  python -m fastroute info"


def run(arguments: argparse.Namespace) -> int:
    for label, text in facts().items():
        print(f"{label:<14}  {text}")
    return 0
