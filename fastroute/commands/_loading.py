"""The `module:app` of the command line: imports the module and finds the application in it."""

import argparse
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ._entries import routes_of

__all__ = ["add_application", "application"]


def add_application(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Add the argument `module:app`."""
    parser.add_argument(
        "app",
        metavar="module:app",
        type=application,
        nargs="?" if optional else None,
        help="a Starlette, FastAPI or fastroute application or router, found as uvicorn finds it",
    )


def application(target: str) -> Any:
    """The application that `module:app` names; the current folder is searched first, as by uvicorn.

    Raises:
        argparse.ArgumentTypeError: there is none; the message names the imported module and the missing part.
    """
    module_name, colon, attributes = target.partition(":")
    if not module_name or not attributes:
        stem = target.removesuffix(".py").strip("./").replace("/", ".") if not colon else module_name
        raise argparse.ArgumentTypeError(
            f"{target!r} does not name an application; write module:app, as {stem or 'main'}:app"
        )
    module = _module(module_name)
    found: Any = module
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise argparse.ArgumentTypeError(
                f"{_origin(module)} was imported and has no {attributes!r}; {_applications_in(module)}"
            ) from None
    if routes_of(found) is None:
        described = (
            "a function" if callable(found) and hasattr(found, "__code__") else f"of type {type(found).__name__}"
        )
        raise argparse.ArgumentTypeError(
            f"{attributes!r} in {_origin(module)} is {described}, and has no routes; {_applications_in(module)}"
        )
    return found


def _module(name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise argparse.ArgumentTypeError(
                f"there is no module {error.name!r} in {folder} nor elsewhere on the import path"
            ) from None
        raise argparse.ArgumentTypeError(_failure(name, error)) from error
    except Exception as error:
        raise argparse.ArgumentTypeError(_failure(name, error)) from error


def _failure(name: str, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"importing {name!r} failed: {error.filename}:{error.lineno}: {error.msg}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"importing {name!r} failed: {frame.filename}:{frame.lineno}: {type(error).__name__}: {error}"


def _origin(module: ModuleType) -> str:
    return f"{module.__name__} ({getattr(module, '__file__', None) or 'built in'})"


def _applications_in(module: ModuleType) -> str:
    found = [
        name for name, thing in vars(module).items() if not isinstance(thing, type) and routes_of(thing) is not None
    ]
    if not found:
        return "there is no application in it"
    return "did you mean " + " or ".join(f"{module.__name__}:{name}" for name in found) + "?"
