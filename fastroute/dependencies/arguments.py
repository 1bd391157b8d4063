"""The arguments of routes and routers that hold dependencies, or that dependencies are easily given to by place."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from .. import _fastapi
from ..exceptions import DeclarationError, problems_of
from ..params import DependencyMarker
from .markers import adopted, check_dependency, check_made, written

__all__ = ["as_dependencies", "check_subclass", "check_text"]


def as_dependencies(dependencies: Any, call: Callable[..., Any]) -> list[Any]:
    """The markers that `dependencies=` was given.

    Args:
        dependencies: a list of `Depends()`, or None.
        call: the endpoint that they are for; or the class of a router, which has no place in the user's code.

    Raises:
        DeclarationError: it is no list, or an item of it is no `Depends()` of a function.
    """
    if dependencies is None:
        return []
    if not isinstance(dependencies, Iterable):
        raise DeclarationError(
            _place(dependencies, call),
            None,
            f"dependencies= takes a list, not {dependencies!r}; write dependencies=[{written(dependencies)}]",
        )
    markers = list(dependencies)
    for marker in markers:
        depends = _fastapi.adopt(marker)
        if not isinstance(depends, DependencyMarker) or depends.dependency is None:
            advised = written(marker if callable(marker) else None)
            problem = f"dependencies=[...] takes Depends(function), not {marker!r}; write dependencies=[{advised}]"
            raise DeclarationError(_place(marker, call), None, problem)
        with problems_of(_place(marker, call), None):
            check_dependency(adopted(marker, None))
            check_made(depends.dependency, None)
    return markers


def check_text(value: Any, call: Callable[..., Any], parameter: str, advice: str = "write dependencies=[{}]") -> None:
    """Check that a name or prefix is a text: by place, it is easily given the dependencies, which nobody would read.

    Args:
        value: the name or prefix.
        call: the endpoint or application that it is for, or the class of a router.
        parameter: the parameter that got the value.
        advice: the fix if the value is dependencies; braces stand for these.

    Raises:
        DeclarationError: it is no text.
    """
    if isinstance(value, str):
        return
    things = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    if things and all(callable(thing) or _fastapi.is_marker(thing) for thing in things):
        code = ", ".join(map(written, things))
        told, fix = (f"[{code}]" if things != [value] else code), advice.format(code)
    else:
        told, fix = repr(value), f"write {parameter}='...'"
    raise DeclarationError(_place(things[0] if things else None, call), parameter, f"{told} is no text; {fix}")


def check_subclass(cls: type[Any], base: type[Any], names: Iterable[str]) -> None:
    """Check that a subclass of a route or router does not give arguments of the constructor as attributes.

    Args:
        cls: the subclass.
        base: has them as attributes of objects.
        names: the arguments.

    Raises:
        DeclarationError: the class has one of them; the constructor of the base would not read it.
    """
    for name in names:
        if getattr(cls, name) is not vars(base)[name]:
            problem = f"as an attribute of the class nobody would read it; write super().__init__({name}=...)"
            raise DeclarationError(cls, name, problem)


def _place(thing: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    """The callable to name in an error: the endpoint, or for a router the dependency itself if it is a function."""
    if not inspect.isclass(call):
        return call
    depends = _fastapi.adopt(thing)
    function = depends.dependency if isinstance(depends, DependencyMarker) else thing
    return function if inspect.isroutine(function) and not _is_of_frameworks(function) else call


def _is_of_frameworks(function: Any) -> bool:
    package = str(getattr(function, "__module__", None)).partition(".")[0]
    return package in ("fastapi", "fastroute")
