"""The one reader of path templates, against Starlette's `compile_path`."""

import itertools
import re

import pytest
from hypothesis import given
from starlette.convertors import CONVERTOR_TYPES
from starlette.routing import compile_path

from fastroute.matching.template import BUILTIN_REGEXES, kind_of, parts, pattern, read_template
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


UUID = "0" * 31 + "1"


@pytest.mark.parametrize("kind", BUILTIN_REGEXES)
@pytest.mark.parametrize("after", ["", "/", "\n", ".", "-", "1", "a", "1a", "?", "{b}", "{b:int}", "{b:uuid}"])
def test_an_element_is_forced_if_the_longest_end_is_right_whenever_one_is(kind: str, after: str) -> None:
    """Compared with all ends in small texts: right are those from which the template can go on."""
    regex = re.compile(BUILTIN_REGEXES[kind])
    following = re.compile(compile_path(after)[0].pattern[1:].removesuffix("$"))

    def is_longest_right(text: str) -> bool:
        ends = [end for end in range(len(text) + 1) if regex.fullmatch(text, 0, end)]
        right = [end for end in ends if (following.match(text, end) if after else text[end:] in ("", "\n"))]
        return not right or right[-1] == ends[-1]

    pieces = {*"1./\na", *after[:1], *([UUID, "-"] if "uuid" in kind + after else [])}
    texts = ["".join(drawn) for size in range(5) for drawn in itertools.product(sorted(pieces), repeat=size)]
    forced = read_template(f"/{{p:{kind}}}{after}").elements[1].forced
    assert forced == all(map(is_longest_right, texts))
