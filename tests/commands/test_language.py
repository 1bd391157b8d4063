"""The languages of templates, against the regexes that Starlette makes of them."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from starlette.convertors import Convertor, IntegerConvertor
from starlette.routing import compile_path

from fastroute.commands._language import Language, Undecided, escapee, example, language

LITERALS = st.sampled_from(["", "/", "/a", "/aa", "a", "-", ".", "1", "12", "/1", "0f", "x/", "\n", "//", "é", "{"])
KINDS = st.sampled_from(["", ":str", ":int", ":float", ":uuid", ":path", ":path"])


@st.composite
def templates(draw: st.DrawFn) -> str:
    pieces = [f"{draw(LITERALS)}{{p{index}{draw(KINDS)}}}" for index in range(draw(st.integers(0, 3)))]
    return "/" + "".join(pieces) + draw(LITERALS)


def language_of(path: str) -> Language:
    regex, _, convertors = compile_path(path)
    found = language(path, convertors, regex)
    assert found is not None
    return found


@pytest.mark.slow
@given(templates(), templates(), st.data())
def test_inclusion_is_what_the_regexes_say(inner: str, outer: str, data: st.DataObject) -> None:
    try:
        found = escapee(language_of(inner), language_of(outer))
    except Undecided:
        assume(False)
    inner_regex, outer_regex = compile_path(inner)[0], compile_path(outer)[0]
    if found is not None:
        assert inner_regex.match(found)
        assert not outer_regex.match(found)
        return
    path = data.draw(st.from_regex(re.compile(inner_regex.pattern.replace("^", "\\A", 1))))
    assert inner_regex.match(path)
    assert outer_regex.match(path)


@pytest.mark.slow
@given(templates(), templates(), st.data())
def test_inclusion_of_ordinary_paths(inner: str, outer: str, data: st.DataObject) -> None:
    try:
        found = escapee(language_of(inner), language_of(outer), ordinary=True)
    except Undecided:
        assume(False)
    inner_regex, outer_regex = compile_path(inner)[0], compile_path(outer)[0]
    if found is not None:
        assert found.startswith("/")
        assert "\n" not in found
        assert inner_regex.match(found)
        assert not outer_regex.match(found)
        return
    path = data.draw(st.from_regex(re.compile(inner_regex.pattern.replace("^", "\\A", 1))))
    assume("\n" not in path)
    assert outer_regex.match(path)


@given(templates(), st.sampled_from(["x", "1", "other"]))
def test_examples(path: str, filling: str) -> None:
    regex, _, convertors = compile_path(path)
    assert regex.match(example(path, convertors, filling))


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("/items/me", "/items/{item}", None),
        ("/items/{item}", "/items/me", "/items/-"),
        ("/{a:int}", "/{b:float}", None),
        ("/{a:float}", "/{b:int}", "/0.0"),
        ("/{a:uuid}", "/{b}", None),
        ("/{a}", "/{b:path}", "/\n\n"),
        ("/{a}-{b}", "/{c}", None),
        ("/{a:path}/x", "/{b:path}", None),
        ("/x/{a:path}", "/x{b:path}", None),
        ("/{a:path}/x/{b:path}", "/{a:path}/{b:path}", None),
        ("/a", "/a/", "/a"),
    ],
)
def test_known_pairs(inner: str, outer: str, expected: str | None) -> None:
    found = escapee(language_of(inner), language_of(outer))
    assert found is None if expected is None else found is not None and len(found) == len(expected)


def test_ordinary_paths_have_no_newline() -> None:
    assert escapee(language_of("/{a}"), language_of("/{b:path}"), ordinary=True) is None


def test_nothing_is_claimed_about_what_is_not_known() -> None:
    class Own(Convertor[int]):
        regex = "[0-9]+"

    class Derived(IntegerConvertor):
        def convert(self, value: str) -> int:
            raise LookupError

    regex, _, convertors = compile_path("/{a:int}")
    assert language("/{a:int}", convertors, regex) is not None
    for convertor in (Own(), Derived()):
        assert language("/{a:int}", {"a": convertor}, regex) is None
    assert language("/{a:int}", convertors, re.compile("^/(?P<a>[0-9]*)$")) is None


def test_a_search_has_an_end() -> None:
    """If every `a` in the last 72 characters must be remembered, there are too many states to look at."""
    with pytest.raises(Undecided):
        escapee(language_of("/{a:path}a{b:uuid}b{c:uuid}"), language_of("/{d:path}a{e:uuid}b{f:uuid}"))
