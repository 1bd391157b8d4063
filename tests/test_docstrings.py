"""Every public name says what it is, and names its parameters and attributes."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

import fastroute
from fastroute import asyncapi, security, strategies, testing
from fastroute.matching import matcher_py
from fastroute.params import ParamKeywords

DATA = {"IMPLEMENTATION", "__version__"}


def public() -> Iterator[tuple[str, Any]]:
    for module in (fastroute, asyncapi, security, strategies, testing):
        for name in module.__all__:
            if name not in DATA:
                # A compiled class does not tell its signature; its twin does.
                yield f"{module.__name__}.{name}", getattr(matcher_py, name, getattr(module, name))


def methods() -> Iterator[tuple[str, Any]]:
    for name, thing in public():
        if inspect.isclass(thing):
            for attribute, value in vars(thing).items():
                # An override is described by what it overrides.
                inherited = any(hasattr(base, attribute) for base in thing.__bases__)
                if inspect.isfunction(value) and not attribute.startswith("_") and not inherited:
                    yield f"{name}.{attribute}", value


DOCUMENTED = {**dict(public()), **dict(methods())}


def documentation(thing: Any) -> str:
    """With that of its bases here, and of what it refers to: as `SecurityBase`."""
    bases = thing.__mro__ if inspect.isclass(thing) else (thing,)
    told = "\n".join(base.__doc__ or "" for base in bases if base.__module__.startswith("fastroute"))
    referred = re.findall(r"as\s+(?:in\s+|by\s+)?`(\w+)`", told)
    return "\n".join([told, *(documentation(DOCUMENTED[name]) for name in full_names(referred, thing))])


def full_names(names: list[str], thing: Any) -> list[str]:
    ends = tuple(f".{name}" for name in names)
    return [full for full, other in DOCUMENTED.items() if full.endswith(ends) and other is not thing]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_public_name_has_a_docstring(name: str) -> None:
    assert len(documentation(DOCUMENTED[name])) > 20


@pytest.mark.parametrize("name", [name for name, thing in DOCUMENTED.items() if callable(thing)])
def test_the_docstring_names_each_parameter(name: str) -> None:
    thing = DOCUMENTED[name]
    if inspect.isclass(thing) and issubclass(thing, BaseModel):
        thing.model_rebuild()  # until it is built, its parameters are `**data`
    told = documentation(thing)
    elsewhere = ParamKeywords.__annotations__ if "as in `pydantic.Field`" in told else ()
    parameters = [
        parameter
        for parameter in inspect.signature(thing).parameters
        if parameter not in ("self", "args", "kwargs", *elsewhere)
    ]
    assert [parameter for parameter in parameters if not re.search(rf"\b{parameter}\b", told)] == []


@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_parameter_and_attribute_has_a_line_of_its_own(name: str) -> None:
    """Else tools that read docstrings take both names for one."""
    assert not re.findall(r"^ +\w+(?:, \w+)+: .*$", DOCUMENTED[name].__doc__ or "", re.MULTILINE)
