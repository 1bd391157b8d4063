"""The one reader of path templates, against Starlette's `compile_path`."""

import pytest
from hypothesis import given
from starlette.convertors import CONVERTOR_TYPES
from starlette.routing import compile_path

from fastroute.matching.template import BUILTIN_REGEXES, kind_of, parts, pattern
from fastroute.strategies import path_templates


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", []),
        ("/", [("/", None, "/")]),
        ("/a/{b:int}-{c}", [("/a/", None, "/a/"), ("b", "int", "{b:int}"), ("-", None, "-"), ("c", "str", "{c}")]),
        ("{a}{b}", [("a", "str", "{a}"), ("b", "str", "{b}")]),
        ("{}/{1}/{a:}/{{b}}", [("{}/{1}/{a:}/{", None, "{}/{1}/{a:}/{"), ("b", "str", "{b}"), ("}", None, "}")]),
        ("/{a:unknown}", [("/", None, "/"), ("a", "unknown", "{a:unknown}")]),
    ],
    ids=["empty", "slash", "both", "adjacent", "braces", "unknown"],
)
def test_parts(template: str, expected: list[tuple[str, str | None, str]]) -> None:
    assert parts(template) == expected


@given(path_templates())
def test_nothing_of_a_template_is_lost(template: str) -> None:
    assert "".join(part.source for part in parts(template)) == template
    assert all(part.source for part in parts(template))


@given(path_templates())
def test_names_and_regex_are_those_of_starlette(template: str) -> None:
    regex, _, convertors = compile_path(template)
    assert {part.word: part.convertor for part in parts(template) if part.convertor} == {
        name: next(key for key, value in CONVERTOR_TYPES.items() if value is convertor)
        for name, convertor in convertors.items()
    }
    assert pattern(parts(template), convertors) == regex.pattern


@pytest.mark.parametrize("name", BUILTIN_REGEXES)
def test_the_table_of_convertors_is_that_of_starlette(name: str) -> None:
    assert kind_of(CONVERTOR_TYPES[name]) == name
    assert CONVERTOR_TYPES[name].regex == BUILTIN_REGEXES[name]
