"""The `module:app` of the command line: imports the module and finds the application in it."""

import argparse
import functools
import inspect
import sys
import tomllib
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ..tracing.entries import entries, routes_of

__all__ = ["add_application", "application"]

_SETTINGS = Path("pyproject.toml")
_NO_APPLICATION = "there is no application in it"


def add_application(
    parser: argparse.ArgumentParser,
    *,
    path: Callable[[argparse.Namespace, str], Any] | None = None,
    instead: str | None = None,
    optional: bool = False,
) -> None:
    """Add the argument `module:app`, which pyproject.toml can give as well, and the options of its import.

    The parser gets a default `finish(arguments, extras)`, to call with the arguments that were parsed and those that
    were not. It puts the application into `arguments.app` and its `module:app` into `arguments.target`, and ends the
    process if there is none.

    Args:
        parser: of the command.
        path: if the command takes a path or URL after the application, this checks and converts it; it gets the other
            arguments as well.
        instead: the attribute of an option that takes the place of the application; `app` is None if it is given.
        optional: the command can do without an application; `app` is None if neither the arguments nor pyproject.toml
            name one.
    """
    parser.add_argument(
        "app",
        metavar="module:app",
        nargs="?",
        help="a Starlette, FastAPI or fastroute application or router, found as uvicorn finds it; the default is "
        "`app` under [tool.fastroute] in pyproject.toml",
    )
    if path is not None:
        parser.add_argument("path", nargs="?", help="from its slash on, or a whole URL; %%-escapes are decoded")
    parser.add_argument("--factory", action="store_true", help="module:app is a function that makes the application")
    parser.add_argument(
        "--app-dir", metavar="DIR", type=_folder, help="search the module here first (default: this folder, then src)"
    )
    parser.add_argument("--traceback", action="store_true", help="if the import fails, show the whole traceback")
    parser.set_defaults(finish=functools.partial(_finish, parser, path, instead, optional), target=None)


def _folder(name: str) -> Path:
    if not Path(name).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {name!r}")
    return Path(name)


def _finish(
    parser: argparse.ArgumentParser,
    path: Callable[[argparse.Namespace, str], Any] | None,
    instead: str | None,
    optional: bool,
    arguments: argparse.Namespace,
    extras: Sequence[str],
) -> None:
    unknown = [word for word in extras if word.startswith("-")]
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    # Before 3.13, argparse takes no argument behind an option if all of them are optional: `match app --json /path`.
    words = [word for word in (arguments.app, getattr(arguments, "path", None), *extras) if word is not None]
    if instead is not None and getattr(arguments, instead):
        if words:
            parser.error(f"argument module:app: not allowed with argument --{instead}")
        return
    target = words.pop(0) if words and (path is None or len(words) > 1 or _is_target(words[0])) else None
    if len(words) > (path is not None):
        parser.error(f"unrecognized arguments: {' '.join(words[path is not None :])}")
    try:
        if path is not None:
            if not words:
                parser.error("the following arguments are required: path")
            arguments.path = path(arguments, words[0])
        options = {"factory": arguments.factory, "app_dir": arguments.app_dir, "show_traceback": arguments.traceback}
        arguments.target = _configured() if target is None else target
        if arguments.target is None and optional and not arguments.factory:
            return
        arguments.app = _application(target, arguments.target, options)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))


def _is_target(word: str) -> bool:
    return ":" in word and "://" not in word and not word.startswith("/")


def _configured() -> Any:
    """The `module:app` in pyproject.toml in the current folder; None if it names none."""
    try:
        settings = tomllib.loads(_SETTINGS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{_SETTINGS} cannot be read: {error}") from None
    try:
        return settings.get("tool", {}).get("fastroute", {}).get("app")
    except AttributeError:
        raise argparse.ArgumentTypeError(f"{_SETTINGS}: [tool.fastroute] is no table") from None


def _application(written: str | None, target: Any, options: dict[str, Any]) -> Any:
    """The application that the command line or else pyproject.toml names."""
    if written is not None:
        return application(written, **options)
    if target is None:
        raise argparse.ArgumentTypeError(
            f'which application? Write module:app, or `app = "module:app"` under [tool.fastroute] in {_SETTINGS}'
        )
    try:
        if not isinstance(target, str):
            raise argparse.ArgumentTypeError(f"{target!r} is not a text as module:app")
        return application(target, **options)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{_SETTINGS}, `app` under [tool.fastroute]: {error}") from None


def application(
    target: str, *, factory: bool = False, app_dir: Path | None = None, show_traceback: bool = False
) -> Any:
    """The application that `module:app` names; the current folder is searched first, as by uvicorn.

    The output of the module goes to the error output, so that the output of a command stays clean.

    Args:
        target: `module:app`, or `module:object.app`.
        factory: call it without arguments to get the application.
        app_dir: search here first instead of in the current folder and in its folder `src`.
        show_traceback: print the traceback of an error before it is raised as another one.

    Raises:
        argparse.ArgumentTypeError: there is none; the message names the imported module and the missing part.
    """
    module_name, _, attributes = target.partition(":")
    if not module_name or not attributes or "/" in module_name or module_name.endswith(".py"):
        stem = module_name.removesuffix(".py").strip("./").removeprefix("src/").replace("/", ".")
        raise argparse.ArgumentTypeError(
            f"{target!r} does not name an application; write module:app, as {stem or 'main'}:{attributes or 'app'}"
        )
    with redirect_stdout(sys.stderr):
        try:
            return _found(module_name, attributes, factory, app_dir)
        except argparse.ArgumentTypeError as error:
            if show_traceback and error.__cause__ is not None:
                traceback.print_exception(error.__cause__)
            raise


def _found(module_name: str, attributes: str, factory: bool, app_dir: Path | None) -> Any:
    module = _module(module_name, app_dir)
    found: Any = module
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise argparse.ArgumentTypeError(
                f"{_origin(module)} was imported and has no {attributes!r}; "
                f"{_applications_in(module) or _NO_APPLICATION}"
            ) from None
    if factory:
        found = _made(found, attributes, module)
    if isinstance(found, type) or routes_of(found) is None:
        function = callable(found) and hasattr(found, "__code__")
        described = f"of type {type(found).__name__}"
        described = "a class" if isinstance(found, type) else "a function" if function else described
        instead = _applications_in(module)
        if function and not factory:
            instead = f"if it makes the application, add --factory{instead and f'; {instead}'}"
        raise argparse.ArgumentTypeError(
            f"{attributes!r} in {_origin(module)} is {described}, and has no routes; {instead or _NO_APPLICATION}"
        )
    try:
        entries(found)
    except Exception as error:
        raise argparse.ArgumentTypeError(f"the routes of {attributes!r} cannot be read: {_failure(error)}") from error
    return found


def _made(factory: Any, name: str, module: ModuleType) -> Any:
    if not callable(factory) or (routes_of(factory) is not None and not isinstance(factory, type)):
        raise argparse.ArgumentTypeError(f"{name!r} in {_origin(module)} is no factory; leave out --factory")
    try:
        made = factory()
    except (Exception, SystemExit) as error:
        raise argparse.ArgumentTypeError(f"the factory {name!r} failed: {_failure(error)}") from error
    if inspect.iscoroutine(made):
        made.close()  # without a warning that nobody awaited it
        raise argparse.ArgumentTypeError(f"the factory {name!r} in {_origin(module)} is async; name one that is not")
    return made


def _module(name: str, app_dir: Path | None) -> ModuleType:
    here = Path.cwd()
    folder = here if app_dir is None else app_dir.absolute()
    if app_dir is None and _is_in(here / "src", name) and not _is_in(here, name):
        folder = here / "src"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise argparse.ArgumentTypeError(
                f"there is no module {error.name!r} in {folder} nor elsewhere on the import path; "
                "--app-dir names another folder"
            ) from None
        raise argparse.ArgumentTypeError(f"importing {name!r} failed: {_failure(error)}") from error
    except (Exception, SystemExit) as error:
        raise argparse.ArgumentTypeError(f"importing {name!r} failed: {_failure(error)}") from error


def _is_in(folder: Path, name: str) -> bool:
    first = name.partition(".")[0]
    return (folder / first).is_dir() or (folder / f"{first}.py").is_file()


def _failure(error: BaseException) -> str:
    """The error and its place: the last line in a file of the user, not in a library that it calls."""
    if isinstance(error, SyntaxError):
        return f"{_shown(str(error.filename))}:{error.lineno}: {error.msg}"
    told = f"{type(error).__name__}: {error}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_own(frame.filename)]
    users = [frame for frame in frames if _is_users(frame.filename)]
    if not frames:  # a factory that takes arguments
        return told
    frame = (users or frames)[-1]
    return f"{_shown(frame.filename)}:{frame.lineno}: {told}"


def _is_own(file: str) -> bool:
    return Path(file).is_relative_to(Path(__file__).parents[1])


def _is_users(file: str) -> bool:
    path, standard = Path(file), Path(traceback.__file__).parent
    library = path.is_relative_to(standard) or not {"site-packages", "dist-packages"}.isdisjoint(path.parts)
    return path.is_absolute() and not library


def _shown(file: str) -> str:
    """A file as people write it: from the current folder, if it is below."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _origin(module: ModuleType) -> str:
    return f"{module.__name__} ({getattr(module, '__file__', None) or 'built in'})"


def _applications_in(module: ModuleType) -> str:
    found = [
        name for name, thing in vars(module).items() if not isinstance(thing, type) and routes_of(thing) is not None
    ]
    if not found:
        return ""
    return "did you mean " + " or ".join(f"{module.__name__}:{name}" for name in found) + "?"
