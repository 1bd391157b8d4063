"""`python -m fastroute fuzz`: the compiled matcher against the pure one against Starlette, on generated input."""

import argparse
import itertools
import math
import random
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from starlette.convertors import IntegerConvertor
from starlette.routing import compile_path

from ..matching import matcher_py
from ..matching.template import Part, parts, read_template
from ..strategies import path_templates, paths
from ..tracing.entries import entries, walk
from ._loading import add_application
from ._terminal import print_lines

__all__ = ["Difference", "add_arguments", "cases", "compare", "run", "starlette_match", "twins"]

_EXAMPLES = 200  # templates of a round, which one seed repeats
_PATHS = 20  # the most paths for a template at once
_STARLETTE_STEPS = 1_000_000  # how often its regex may go back over one path

Match = Callable[[str], dict[str, Any] | None]


class Difference(AssertionError):
    """The matchers disagree about a path. `answers` has the answer or the exception of each one, by its name."""

    def __init__(self, template: str, path: str, answers: dict[str, Any]) -> None:
        super().__init__(f"{template!r} against {path!r}: {answers}")
        self.template = template
        self.path = path
        self.answers = answers


def starlette_match(template: str) -> Match:
    """Match a template as Starlette's routes do, from a path to the converted parameters.

    With the one deliberate difference: an int of more digits than Python converts is no match.
    """
    path_regex, _, convertors = compile_path(template)

    def match(path: str) -> dict[str, Any] | None:
        found = path_regex.match(path)
        if found is None:
            return None
        params = found.groupdict()
        for name, value in params.items():
            try:
                params[name] = convertors[name].convert(value)
            except ValueError:
                if type(convertors[name]) is IntegerConvertor:
                    return None
                raise
        return params

    return match


def compare(template: str, paths: Sequence[str]) -> None:
    """Match each path against a template by all matchers that are installed.

    Paths over which Starlette's regex could take minutes are left out. The pure twin takes part twice: once as it is,
    and once with the two passes, which it otherwise keeps for long paths.

    Raises:
        Difference: the matchers do not all give the same answer.
    """
    elements = read_template(template).elements
    free = sum(not element.forced for element in elements)
    matchers = {"Starlette": starlette_match(template)}
    matchers |= {name: twin(template).match for name, twin in twins().items()}
    if free:
        matchers["pure, two passes"] = matcher_py.element_match(elements, steps=0)
    for path in paths:
        if math.comb(len(path) + free, free) > _STARLETTE_STEPS:
            continue
        answers = {name: _answer(match, path) for name, match in matchers.items()}
        expected = answers["Starlette"]
        if not all(_is_same(expected, answer) for answer in answers.values()):
            raise Difference(template, path, answers)


@cache
def twins() -> dict[str, Any]:
    """The class PathMatcher of each twin that is installed, by its name in the report."""
    try:
        compiled = import_module("fastroute.matching.matcher_c").PathMatcher
    except ImportError:
        return {"pure": matcher_py.PathMatcher}
    return {"compiled": compiled, "pure": matcher_py.PathMatcher}


def _answer(match: Match, path: str) -> Any:
    try:
        return match(path)
    except Exception as error:
        return error


def _is_same(expected: Any, answer: Any) -> bool:
    if type(expected) is not type(answer):
        return False
    if isinstance(expected, Exception):
        return str(expected) == str(answer)
    if expected is None:
        return True
    return list(expected) == list(answer) and all(map(_is_same_value, expected.values(), answer.values()))


def _is_same_value(expected: Any, value: Any) -> bool:
    # The value of a custom convertor may be equal to itself alone.
    has_equality = getattr(type(value), "__eq__", None) is not object.__eq__
    return type(expected) is type(value) and (expected == value or not has_equality)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long to search (default: 60)")
    parser.add_argument("--seed", type=int, metavar="S", help="the seed of the first round, as a report tells it")
    parser.add_argument("--generated", action="store_true", help="generated templates, whatever pyproject.toml names")
    add_application(parser, instead="generated", optional=True)
    parser.epilog = """\
The templates are those of the application; without one they are generated.

examples:
  python -m fastroute fuzz --seconds 600
  python -m fastroute fuzz main:app"""


def cases(templates: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, list[str]]]:
    """A template and paths to compare the matchers on."""
    return templates.flatmap(_with_paths)


def _with_paths(template: str) -> st.SearchStrategy[tuple[str, list[str]]]:
    drawn = st.lists(paths(template), min_size=1, max_size=_PATHS)
    return st.tuples(st.just(template), drawn.map(_with_variants))


def _with_variants(drawn: list[str]) -> list[str]:
    """Each path and its near neighbours, which cost less than paths that are drawn."""
    changes = ("{}", "{}\n", "{}/", "/{}", "{0}{0}")
    return [change.format(path) for path in drawn for change in changes] + [path[:-1] for path in drawn]


def run(arguments: argparse.Namespace) -> int:
    """Search until the time is over or a difference is found.

    Returns:
        The exit code: 0; 1 if there is a difference, and 2 if the application has no route with a path.
    """
    if arguments.app is None:
        templates, subject = path_templates(), "generated templates"
    else:
        found = _templates_of(arguments.app)
        if not found:
            print("the application has no route with a path", file=sys.stderr)
            return 2
        templates, subject = st.sampled_from(found), f"{len(found)} templates of the application"
    first = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print_lines([f"{subject}: Starlette against {' against '.join(twins())}; seed {first}"])
    sys.stdout.flush()
    search = _Search(templates, arguments.seconds)
    shorten = _shorter_cases if arguments.app is None else _shorter_paths
    difference: Difference | None = None
    for number in itertools.count(first):
        difference = search.round(number)
        if difference is not None:
            _report(_smallest(difference, shorten), number, arguments)
        if difference is not None or search.is_over():
            break
    count = "no" if difference is None else "a"
    print_lines([f"{search.cases} cases, {search.templates} templates, {count} difference"])
    return 0 if difference is None else 1


def _templates_of(app: Any) -> list[str]:
    """The templates of the routes of an application, in the same order each time."""
    found = {entry.template for entry in walk(entries(app)) if entry.kind in ("http", "websocket", "mount")}
    return sorted(found)


class _Search:
    """Rounds of a fixed number of templates: the seed alone determines a round, and repeats it."""

    def __init__(self, templates: st.SearchStrategy[str], seconds: float) -> None:
        self._cases = cases(templates)
        self._start = self._shown = time.monotonic()
        self._seconds = seconds
        self.templates = 0
        self.cases = 0

    def is_over(self) -> bool:
        # Hypothesis itself may take seconds to begin.
        return self.cases > 0 and time.monotonic() - self._start >= self._seconds

    def round(self, number: int) -> Difference | None:
        """The first difference that the round with this seed finds."""
        found: Difference | None = None

        @seed(number)
        @settings(
            max_examples=_EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # `_smallest` does the rest
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]  # its metaclass is untyped
            verbosity=Verbosity.quiet,
        )
        @given(self._cases)
        def search(case: tuple[str, list[str]]) -> None:
            nonlocal found
            # A round without a difference may stop early; one with a difference must repeat itself.
            if found is None and self.is_over():
                return
            try:
                compare(*case)
            except Difference as difference:
                found = difference
                raise
            self._count(case)

        try:
            search()
        except Exception:
            # Hypothesis may fail as well when it repeats a difference: that must not hide the difference.
            if found is None:
                raise
        return found

    def _count(self, case: tuple[str, list[str]]) -> None:
        self.templates += 1
        self.cases += len(case[1])
        now = time.monotonic()
        if now - self._shown >= (1 if sys.stderr.isatty() else 10):
            self._shown = now
            end = "\r" if sys.stderr.isatty() else "\n"
            print(f"{now - self._start:.0f} s: {self.cases} cases", end=end, file=sys.stderr, flush=True)


Case = tuple[str, str]  # a template and one path


def _smallest(difference: Difference, shorten: Callable[[Case], Iterator[Case]]) -> Difference:
    """A difference that is as small as can be: no case of `shorten` shows one any more.

    Hypothesis draws a path for its template: it cannot make one smaller without drawing the other again.
    """
    while True:
        shorter = shorten((difference.template, difference.path))
        smaller = next(filter(None, itertools.starmap(_difference, shorter)), None)
        if smaller is None:
            return difference
        difference = smaller


def _difference(template: str, path: str) -> Difference | None:
    try:
        compare(template, [path])
    except Difference as difference:
        return difference
    except Exception:
        pass  # a shorter template may name a parameter twice: that must not hide the difference
    return None


def _shorter_cases(case: Case) -> Iterator[Case]:
    """Shorter cases: without one parameter or character of the template, and without its text in the path; without a
    convertor; then with shorter paths.
    """
    template, path = case
    found = compile_path(template)[0].match(path)
    smallest = _smallest_parts(template)
    for position, (word, convertor, source) in enumerate(smallest[1:], 1):  # the slash stays
        before, after = (
            "".join(part.source for part in some) for some in (smallest[:position], smallest[position + 1 :])
        )
        value = word if convertor is None else found[word] if found else ""
        yield before + after, path
        for cut in re.finditer(re.escape(value), path) if value else ():
            yield before + after, path[: cut.start()] + path[cut.end() :]
        if convertor is not None and ":" in source:
            yield f"{before}{{{word}}}{after}", path
    yield from _shorter_paths(case)


def _smallest_parts(template: str) -> list[Part]:
    """The parts of a template, its literals cut into characters."""
    return [
        smaller
        for part in parts(template)
        for smaller in ([part] if part.convertor else [Part(character, None, character) for character in part.word])
    ]


def _shorter_paths(case: Case) -> Iterator[Case]:
    """Shorter paths: without the whole path, a half of it, a quarter, and so on to a character."""
    template, path = case
    size = len(path)
    while size:
        for start in range(0, len(path), size):
            yield template, path[:start] + path[start + size :]
        size //= 2


def _report(difference: Difference, number: int, arguments: argparse.Namespace) -> None:
    print(f"\ntemplate: {difference.template!r}\npath: {difference.path!r}")
    for name, answer in difference.answers.items():
        print(f"{name}: {answer!r}")
    print(f"\nrepeat it with: python -m fastroute fuzz --seed {number}{_same(arguments)}")


def _same(arguments: argparse.Namespace) -> str:
    """The arguments that give the same templates again."""
    if arguments.app is None:
        return " --generated" if arguments.generated else ""
    folder = "" if arguments.app_dir is None else f" --app-dir {shlex.quote(str(arguments.app_dir))}"
    return f" {arguments.target}{folder}{' --factory' if arguments.factory else ''}"
