"""Mutation testing: one small change to a folder at a time, and a test must fail.

    python proof/mutants.py [--seconds N] [--seed N] [--only WORD] [--number N] [TESTS ...]

It runs on a pure install, on CPython, where `os.fork` exists. The exit code is 1 if the tests kill fewer than 92 % of a
folder's mutants.

What is mutated: comparisons, conditions, `and` and `or`, numbers, texts, operators, arguments and defaults, `return`,
`raise`, `break` and `continue`, `except` and `finally`, statements that are only an effect. Where a module generates
code, the conditions inside its texts are mutated, too. Not mutated, because nothing can differ: annotations,
docstrings, `Literal[...]`, `TypeVar()`, `__all__`, blocks for type checkers, the order of what `min()` and `max()` are
given, what depends on the version of Python, and what only says that something is impossible (`assert`, `raise
AssertionError`). A mutant of which no test can tell counts as a survivor like every other.

How a mutant is tried. The quick tests run once under coverage, which notes the tests of each line. They are collected
once more in a process that is kept, and forked for each mutant: there the functions get their mutated code, and the
tests of the line run until one fails. If a line also runs while the package or a file of tests is imported, a new
process imports the mutated module, and runs the tests of that file, or all tests of the module, as well. A test that
uses much more processor time than before, or waits for long, fails as well. When a test kills for the first time, it
runs once more without a mutant: if it fails then, too, it is left out.

Why no library: mutmut 3 mutates neither the level of a module, where the tables and regexes of matching are, nor a
decorated function, asks for tests by names that pytest cannot read back (`[[::1]]`), and samples nothing; cosmic-ray
runs one command for every mutant, and removes no statement and changes no text.
"""

import argparse
import ast
import copy
import gc
import importlib.util
import os
import pickle
import random
import re
import resource
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from itertools import islice, zip_longest
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, BinaryIO, NamedTuple

import coverage
import pytest

# Imported before the first fork, so that no mutant pays for them. fastroute itself is not.
PREPARED = ["fastapi.testclient", "hypothesis", "jsonschema", "starlette.testclient", "trio", "uvicorn"]

#: The folders, and the tests that are the nearest to each.
FOLDERS = {
    "matching": ("tests/matching", "tests/router"),
    "dependencies": ("tests/dependencies", "tests/parity"),
    "connection": ("tests/connection",),
    "narrowing": ("tests/router",),
}
#: Slow tests that run as well: those that wait for timeouts, and the comparison that narrowing must pass. Others start
#: a server or another Python, or generate for long.
SLOW = (
    "tests/connection/test_draining.py",
    "tests/connection/test_life.py",
    "tests/router/test_narrowing_generated.py::test_an_accelerated_application_answers_as_the_other",
)
LEAST = 0.92
# Of the tests on trio only those of the looks, which are quick: what only trio runs is killed by them or by nothing.
QUICK = ["-k", "(not trio or test_looks) and not moved", "-p", "no:cacheprovider", "-q"]
# What is prepared holds plugins of pytest, whose asserts are not rewritten then.
QUICK += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]


# --- mutants ---------------------------------------------------------------------------------------------------------

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
#: In the texts of a module that generates code.
_IN_CODE = [
    (r"\bis not\b", "is"),
    (r"\bis\b(?! not)", "is not"),
    (r"(?<!is )\bnot ", ""),
    (r"\bif (?!not\b)", "if not "),
    (r"\+ 1\b", "+ 2"),
    (r"-1\b", "-2"),
    (r"\bTrue\b", "False"),
    (r"\bNone\b", "0"),
    (r"\braise$", "pass"),
    (r"\bfinally\b", "else"),
]


class Change(NamedTuple):
    """A difference to a module: the lines of the statement, and the two sides."""

    first: int
    last: int
    text: str


class Tree:
    """The syntax tree of a module, which `changes` mutates in place."""

    def __init__(self, source: str) -> None:
        self.root = ast.parse(source)
        self.generates = any(isinstance(node, ast.Name) and node.id == "exec" for node in ast.walk(self.root))

    def changes(self) -> Iterator[Change]:
        """Mutate the tree, yield the change, undo it, for each mutant in turn."""
        return self._below(self.root, 1, 1)

    def _below(self, node: ast.AST, first: int, last: int) -> Iterator[Change]:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                continue
            children = value if isinstance(value, list) else [value]
            for place, child in enumerate(children):
                if not isinstance(child, ast.AST) or _is_left_out(child):
                    continue
                at, to = _lines(child, first, last)
                for mutant in self._mutants(child, name):
                    _put(node, name, place, mutant)
                    yield Change(at, to, f"{_shown(child)} -> {_shown(mutant)}")
                    _put(node, name, place, child)
                yield from self._below(child, at, to)

    def _mutants(self, node: ast.AST, name: str) -> Iterator[ast.AST]:
        if name in ("test", "ifs", "guard") and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield ast.UnaryOp(ast.Not(), node)
        if name in ("defaults", "kw_defaults") and not isinstance(node, ast.Constant):
            yield ast.Constant(None)
        match node:
            case ast.Constant(value=str(text)) if self.generates:
                yield from map(ast.Constant, [re.sub(old, new, text) for old, new in _IN_CODE if re.search(old, text)])
                yield ast.Constant("" if text else "?")
            case ast.Constant(value=value):
                yield from map(ast.Constant, _constants(value))
            case _:
                yield from _nodes(node)


def _constants(value: Any) -> list[Any]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1, value - 1]
        case str():
            return ["" if value else "?"]
        case bytes():
            return [b"" if value else b"?"]
    return []


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for other in _COMPARED[type(op)]:
                    yield _with(node, ops=[*ops[:place], other(), *ops[place + 1 :]])
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for rest in _shorter(values):
                yield _with(node, values=rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(op=op) if type(op) in _CALCULATED:
            yield _with(node, op=_CALCULATED[type(op)]())
        case ast.Call(func=called, args=args, keywords=keywords):
            if len(args) > 1 and _can_change_places(called, *args[:2]):
                yield _with(node, args=[args[1], args[0], *args[2:]])
            for rest in _shorter(keywords):
                yield _with(node, keywords=rest)
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.ExceptHandler(type=caught, body=body):
            if isinstance(caught, ast.Tuple):
                for rest in _shorter(caught.elts):
                    yield _with(node, type=_with(caught, elts=rest))
            if not isinstance(body[0], ast.Raise):
                yield _with(node, body=[ast.Raise()])
        case ast.Try(finalbody=[_, *_]):
            yield _with(node, finalbody=[ast.Pass()])


def _is_left_out(node: ast.AST) -> bool:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Subscript(value=ast.Name(id="Literal")) | ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id="AssertionError"))):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Call(func=ast.Name(id="TypeVar")):
            return True
        case ast.If(test=ast.Compare(left=ast.Attribute(attr="version_info"))):
            return True
        case ast.IfExp(test=ast.Compare(left=ast.Attribute(attr="version_info"))):
            return True
    return False


def _can_change_places(called: ast.expr, one: ast.expr, other: ast.expr) -> bool:
    if isinstance(called, ast.Name) and called.id in ("min", "max"):
        return False
    return not isinstance(one, ast.Starred) and not isinstance(other, ast.Starred) and ast.dump(one) != ast.dump(other)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _lines(node: ast.AST, first: int, last: int) -> tuple[int, int]:
    """The lines that run if the node does: those of its statement, without the statements inside it."""
    match node:
        case ast.arguments():
            return first, max(last, first)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            # Its defaults count in every call.
            return node.lineno, node.end_lineno or node.lineno
        case ast.stmt() | ast.ExceptHandler():
            body = getattr(node, "body", None)
            return node.lineno, max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
    return first, last


def _with(node: Any, **fields: Any) -> Any:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _shorter(values: list[Any]) -> Iterator[list[Any]]:
    return (values[:place] + values[place + 1 :] for place in range(len(values)))


def _put(node: ast.AST, name: str, place: int, child: ast.AST) -> None:
    if isinstance(value := getattr(node, name), list):
        value[place] = child
    else:
        setattr(node, name, child)


def _shown(node: ast.AST) -> str:
    text = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return text if len(text) <= 90 else f"{text[:60]} ... {text[-25:]}"


@dataclass(frozen=True)
class Mutant:
    folder: str
    module: str
    file: str
    number: int
    change: Change

    def code(self) -> CodeType:
        tree = Tree(Path(self.file).read_text())
        for _ in islice(tree.changes(), self.number, self.number + 1):
            # Copied: nodes stand in two places, and compile() wants each to have one.
            root = ast.fix_missing_locations(copy.deepcopy(tree.root))
            return compile(root, self.file, "exec", dont_inherit=True)
        raise IndexError(self.number)

    def __str__(self) -> str:
        return f"{self.module.replace('.', '/')}.py:{self.change.first}: {self.change.text}"


def all_mutants(package: Path, folder: str) -> Iterator[Mutant]:
    for file in sorted((package / folder).glob("*.py")):
        for number, change in enumerate(Tree(file.read_text()).changes()):
            yield Mutant(folder, f"{package.name}.{folder}.{file.stem}", str(file), number, change)


# --- tests -----------------------------------------------------------------------------------------------------------


class Quick:
    """The quick tests with a few slow ones; and a failing example need not be small."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not item.get_closest_marker("slow") or item.nodeid.startswith(SLOW)]

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings

        settings.register_profile("mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")


class Recorder:
    """Notes the tests of each line, and the files of tests that run it when they are imported; "" is all else."""

    def __init__(self, files: list[str]) -> None:
        self.coverage = coverage.Coverage(data_file=None, config_file=False, include=files)
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self.coverage.start()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        self.coverage.switch_context(collector.nodeid if isinstance(collector, pytest.Module) else "")
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        began = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - began
            self.coverage.switch_context("")

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: pytest.FixtureRequest) -> Iterator[None]:
        if fixturedef.scope == "function":
            return (yield)
        self.coverage.switch_context("")
        try:
            return (yield)
        finally:
            self.coverage.switch_context(request._pyfuncitem.nodeid)

    def measured(self) -> "Measured":
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {file: data.contexts_by_lineno(file) for file in data.measured_files()}
        return Measured(
            {file: {line: set(tests) - self.failed for line, tests in found.items()} for file, found in lines.items()},
            {test: seconds for test, seconds in self.seconds.items() if test not in self.failed},
            self.failed,
        )


class Runner:
    """Runs some of the collected tests, in a given order, until one fails; its name goes into `report`."""

    def __init__(self, seconds: dict[str, float], report: int) -> None:
        self.seconds = seconds
        self.report = report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self.report, report.nodeid.encode(errors="surrogatepass"))
            os._exit(1)

    def run(self, items: list[pytest.Item]) -> None:
        for item, after in zip_longest(items, items[1:]):
            self.limit(self.seconds[item.nodeid], item.nodeid)
            item.ihook.pytest_runtest_protocol(item=item, nextitem=after)

    def limit(self, seconds: float, name: str) -> None:
        """End this process if it uses more processor time than that should take, or waits for very long."""
        signal.setitimer(signal.ITIMER_PROF, 3 * seconds + 3)
        signal.setitimer(signal.ITIMER_REAL, 40 * seconds + 20)


class Chosen(Runner):
    """For a process that imports everything anew."""

    def __init__(self, tests: list[str], seconds: dict[str, float], report: int) -> None:
        super().__init__(seconds, report)
        self.tests = {name: place for place, name in enumerate(tests)}
        self.limit(20, "imports")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.tests), key=lambda i: self.tests[i.nodeid])

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        if session.testsfailed:
            os._exit(1)
        self.run(session.items)
        os._exit(0)


class Kept:
    """For the process that collects all tests once, and is forked for each mutant."""

    def __init__(self, seconds: dict[str, float], requests: Any, answers: Any) -> None:
        self.seconds = seconds
        self.requests = requests
        self.answers = answers

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        items = {item.nodeid: item for item in session.items}
        functions: defaultdict[str, list[FunctionType]] = defaultdict(list)
        gc.unfreeze()  # the tests may have frozen what they collected
        for found in gc.get_objects():
            if isinstance(found, FunctionType):
                functions[found.__code__.co_filename].append(found)
        gc.freeze()  # so that no fork looks through all of this again
        while (request := pickle.load(self.requests)) is not None:
            mutant, tests = request

            def body(report: int, mutant: Mutant | None = mutant, tests: list[str] = tests) -> None:
                if mutant is not None:
                    exchange(functions[mutant.file], mutant.code())
                runner = Runner(self.seconds, report)
                session.config.pluginmanager.register(runner)
                runner.run([items[name] for name in tests])

            pickle.dump(attempt(body), self.answers)
            self.answers.flush()
        os._exit(0)


def exchange(functions: list[FunctionType], module: CodeType) -> None:
    """Give the functions of a module that is imported their mutated code."""
    mutated = {_key(code): code for code in _codes(module)}
    for function in functions:
        if code := mutated.get(_key(function.__code__)):
            try:
                function.__code__ = code
            except ValueError:  # a closure over other names
                os._exit(_UNFIT)


def _key(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


# --- processes -------------------------------------------------------------------------------------------------------


def pipe() -> tuple[BinaryIO, BinaryIO]:
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")


#: The exit code if a mutant cannot be tried in the process that is kept.
_UNFIT = 77


class Verdict(NamedTuple):
    killed: bool
    hung: bool = False
    test: str = ""
    unfit: bool = False


def attempt(body: Callable[[int], Any]) -> Verdict:
    """Run `body` in a fork; it gets the end of a pipe into which the name of the failing test goes."""
    reading, writing = pipe()
    pid = os.fork()
    if pid == 0:
        reading.close()
        try:
            resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
            body(writing.fileno())
        except BaseException:
            os._exit(2)
        os._exit(0)
    writing.close()
    with reading:
        test = reading.read().decode(errors="surrogatepass")
    _, status = os.waitpid(pid, 0)
    unfit = os.waitstatus_to_exitcode(status) == _UNFIT
    return Verdict(status != 0 and not unfit, os.WIFSIGNALED(status), test, unfit)


def silently(arguments: list[str], *plugins: object) -> int:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    return pytest.main([*arguments, *QUICK], plugins=[Quick(), *plugins])


@dataclass
class Measured:
    """What the tests do without a mutant: the tests of each line, the processor time of each test, and who fails."""

    lines: dict[str, dict[int, set[str]]]
    seconds: dict[str, float]
    failed: set[str]

    def leave_out(self, test: str) -> None:
        del self.seconds[test]
        for lines in self.lines.values():
            for tests in lines.values():
                tests.discard(test)


def measure(files: list[str], tests: list[str]) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "measured")

        def body(_: int) -> None:
            recorder = Recorder(files)
            if silently(tests, recorder) in (0, 1):
                result.write_bytes(pickle.dumps(recorder.measured()))

        attempt(body)
        if not result.exists():
            sys.exit("the tests cannot be collected")
        measured: Measured = pickle.loads(result.read_bytes())
        return measured


@dataclass
class Tester:
    measured: Measured
    tests: list[str]
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        requests, self.requests = pipe()
        self.answers, answers = pipe()
        if os.fork() == 0:
            self.requests.close()
            self.answers.close()
            silently(self.tests, Kept(self.measured.seconds, requests, answers))
            os._exit(1)
        requests.close()
        answers.close()

    def verdict(self, mutant: Mutant) -> Verdict:
        verdict = self._verdict(mutant)
        while verdict.test and verdict.test not in self.kills:
            if not self.kept(None, [verdict.test]).killed:
                break
            print(f"LEFT OUT {verdict.test}: it also fails without the mutant", flush=True)
            self.measured.leave_out(verdict.test)
            verdict = self._verdict(mutant)
        if verdict.test:
            self.kills[verdict.test] += 1
        return verdict

    def _verdict(self, mutant: Mutant) -> Verdict:
        lines = self.measured.lines.get(mutant.file, {})
        change = mutant.change
        found = set().union(*(lines.get(line, ()) for line in range(change.first, change.last + 1)))
        tests = found & self.measured.seconds.keys()
        verdict = self.kept(mutant, self._ordered(mutant, tests))
        if found == tests and not verdict.unfit:
            return verdict
        # The kept process has imported the module as it was: that may have killed a mutant, or let it live.
        if verdict.test and self._anew(mutant, [verdict.test]).killed:
            return verdict
        if "" in found:
            found = found.union(*lines.values())
        affected = {test for test in self.measured.seconds if test in found or test.partition("::")[0] in found}
        return self._anew(mutant, self._ordered(mutant, affected))

    def kept(self, mutant: Mutant | None, tests: list[str]) -> Verdict:
        pickle.dump((mutant, tests), self.requests)
        self.requests.flush()
        verdict: Verdict = pickle.load(self.answers)
        return verdict

    def _anew(self, mutant: Mutant, tests: list[str]) -> Verdict:
        def body(report: int) -> None:
            sys.meta_path.insert(0, Mutated(mutant.module, mutant.file, mutant.code()))
            files = dict.fromkeys(name.partition("::")[0] for name in tests)
            # pytest ends with 5 if it has run nothing.
            os._exit(silently([*files], Chosen(tests, self.measured.seconds, report)) not in (0, 5))

        return attempt(body)

    def _ordered(self, mutant: Mutant, tests: Iterable[str]) -> list[str]:
        """Those that have killed before, then the nearest, then the quickest."""
        near = FOLDERS[mutant.folder]
        return sorted(
            tests,
            key=lambda test: (-self.kills[test], not test.startswith(near), self.measured.seconds[test], test),
        )


class Mutated(SourceFileLoader):
    """Finds one module, mutated."""

    def __init__(self, module: str, file: str, code: CodeType) -> None:
        super().__init__(module, file)
        self.mutated = code

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return self.mutated


# --- the command -----------------------------------------------------------------------------------------------------


def sample(package: Path, arguments: argparse.Namespace) -> Iterator[Mutant]:
    """Mutants of each folder in turn, drawn by the seed."""
    drawn = []
    for folder in FOLDERS:
        found = [mutant for mutant in all_mutants(package, folder) if arguments.only in mutant.module]
        random.Random(f"{arguments.seed} {folder}").shuffle(found)
        if found:
            print(f"{folder}: {len(found):,} mutants", flush=True)
            drawn.append(found[: arguments.number])
    for round_ in range(max(map(len, drawn), default=0)):
        yield from (found[round_] for found in drawn if round_ < len(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1200, help="how long mutants are tried (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws the mutants (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="WORD", help="modules with this word in their name")
    parser.add_argument("--number", type=int, help="the most mutants of each folder")
    parser.add_argument("tests", nargs="*", default=["tests"], help="the tests that may fail (default: all quick ones)")
    arguments = parser.parse_args()
    spec = importlib.util.find_spec("fastroute")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if any(package.rglob("*_c.*.so")):
        sys.exit(f"{package} is compiled: mutants are for a pure install")
    for name in PREPARED:
        importlib.import_module(name)
    mutants = list(sample(package, arguments))
    measured = measure(sorted({mutant.file for mutant in mutants}), arguments.tests)
    for test in sorted(measured.failed):
        print(f"LEFT OUT {test}: it fails without a mutant")
    print(f"{len(measured.seconds):,} tests, {sum(measured.seconds.values()):.0f} s under coverage", flush=True)
    tester = Tester(measured, arguments.tests)
    end = time.monotonic() + arguments.seconds
    verdicts: dict[Mutant, Verdict] = {}
    for mutant in mutants:
        if time.monotonic() > end:
            break
        verdicts[mutant] = verdict = tester.verdict(mutant)
        if not verdict.killed:
            print(f"SURVIVED {mutant}", flush=True)
    return report(verdicts)


def report(verdicts: dict[Mutant, Verdict]) -> int:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for mutant, verdict in verdicts.items():
        kind = "survived" if not verdict.killed else "hung" if verdict.hung else "killed"
        counts[mutant.folder][kind] += 1
    for folder, kinds in counts.items():
        killed = kinds["killed"] + kinds["hung"]
        print(f"{folder}: {killed} of {kinds.total()} killed, {killed / kinds.total():.1%}; {kinds['hung']} by a limit")
    bad = [folder for folder, kinds in counts.items() if kinds["survived"] > (1 - LEAST) * kinds.total()]
    print(f"below {LEAST:.0%}: {', '.join(bad)}" if bad else f"{len(counts)} folders at {LEAST:.0%} or more")
    return 1 if bad or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
