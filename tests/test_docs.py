"""The README and the pages of docs/ do what they say: Python blocks run, commands print what stands behind them."""

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import anyio
import pytest
from websocket_client import connect, websocket_scope

import fastroute
import fastroute.asyncapi
import fastroute.security
import fastroute.strategies
import fastroute.testing
from fastroute import __main__ as command_line

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "fastroute"  # an installed wheel has no .pyx
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TIMEOUT = 30  # seconds; only a hang gets near it


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes:
        page: the path of the page in the repository.
        line: the number of its first line.
        language: the word behind the fence.
        text: the lines inside.
        file: the name of the file that the paragraph before it names; None if it names none.
        output: the text block right behind it; None if there is none.
    """

    page: str
    line: int
    language: str
    text: str
    file: str | None
    output: str | None


_BLOCK = re.compile(
    r"""(?:^(?:.*[ ])?`(?P<file>\w+\.py)`:\n\n)?
        ^```(?P<language>\w*)\n(?P<text>(?:(?!```).*\n)*)```$
        (?=(?:\n\n```text\n(?P<output>(?:(?!```).*\n)*)```$)?)""",
    re.MULTILINE | re.VERBOSE,
)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks_of(name: str) -> list[Block]:
    text = page(name)
    return [
        Block(name, text.count("\n", 0, found.start("text")) + 1, *found.group("language", "text", "file", "output"))
        for found in _BLOCK.finditer(text)
    ]


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    assert found is not None, f"there is no section {title!r}"
    return found[1]


PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
BLOCKS = [block for name in PAGES for block in blocks_of(name)]
#: A client needs a server: it is run with the application of its page. The cookbook has its own tests, test_recipes.py.
PYTHON = [
    block
    for block in BLOCKS
    if block.language == "python" and block.file != "client.py" and block.page != "docs/cookbook.md"
]
SHELL = [block for block in BLOCKS if block.language == "sh"]
LINES = [line for block in SHELL for line in block.text.splitlines()]


def where(block: Block) -> str:
    return f"{block.page}:{block.line}"


def executed(block: Block, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module, because that is where annotations are looked up."""
    module = ModuleType((block.file or f"block_{block.line}.py").removesuffix(".py"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    # In front of it as many lines as in the page, so that tracebacks name the right one.
    exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), vars(module))
    return module


# --- Python ------------------------------------------------------------------------------------------------------


@pytest.mark.install
@pytest.mark.parametrize("block", PYTHON, ids=where)
def test_a_python_block_runs_on_its_own(
    block: Block, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And so do the tests in it. It prints what stands behind it, and nothing if nothing does."""
    module = executed(block, monkeypatch)
    assert capsys.readouterr().out == (block.output or "")
    for name, test in list(vars(module).items()):
        if name.startswith("test_"):
            anyio.run(test) if inspect.iscoroutinefunction(test) else test()


def test_the_application_of_the_readme_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    app = executed(PYTHON[0], monkeypatch).app
    assert connect(app, websocket_scope("/rooms/7?token=wrong"))[0]["status"] == 401
    assert connect(app, websocket_scope("/rooms/seven?token=ann-secret"))[0]["code"] == 1008


# --- commands ----------------------------------------------------------------------------------------------------


@contextmanager
def serving(arguments: list[str], folder: Path) -> Iterator[str]:
    """A uvicorn with these arguments on a free port, which is given."""
    program = [sys.executable, "-P", "-m", "uvicorn", "--port", "0", "--app-dir", str(folder), *arguments]
    process = subprocess.Popen(program, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                yield found[1]
                return
        pytest.fail("uvicorn ended: " + "".join(told))
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


class Served(NamedTuple):
    """An application and its client, as a page shows them: two files, the command of each, and the client's output."""

    application: Block
    client: Block
    server: Block
    call: Block


SERVED = [
    Served(*blocks)
    for blocks in zip(BLOCKS, BLOCKS[1:], BLOCKS[2:], BLOCKS[3:], strict=False)
    if blocks[1].file == "client.py"
]


def test_readme_and_tutorial_serve_an_application() -> None:
    assert [served.application.page for served in SERVED] == ["README.md", "docs/tutorial.md"]


@pytest.mark.install
@pytest.mark.slow
@pytest.mark.parametrize("served", SERVED, ids=lambda served: where(served.application))
def test_an_application_is_served_and_answers(served: Served, tmp_path: Path) -> None:
    assert served.application.file is not None
    (tmp_path / served.application.file).write_text(served.application.text, encoding="utf-8")
    with serving(shlex.split(served.server.text)[1:], tmp_path) as port:
        client = tmp_path / "client.py"
        client.write_text(served.client.text.replace("127.0.0.1:8000", f"127.0.0.1:{port}"), encoding="utf-8")
        assert served.call.text == "python client.py\n"
        done = subprocess.run(
            [sys.executable, "-W", "error", client],
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            stdout=subprocess.PIPE,
            timeout=TIMEOUT,
            check=True,
            text=True,
        )
    assert done.stdout == served.call.output


def commands(line: str) -> list[str] | None:
    """The arguments of `python -m fastroute`, or of the script; None for every other line."""
    words = shlex.split(line, comments=True)
    if words[:3] == ["python", "-m", "fastroute"]:
        return words[3:]
    return words[1:] if words[:1] == ["fastroute"] else None


OURS = [arguments for line in LINES if (arguments := commands(line)) is not None]


@pytest.mark.parametrize("arguments", OURS, ids=" ".join)
def test_a_command_is_one_that_the_command_line_has(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.main([arguments[0], "--help"])
    assert end.value.code == 0
    options = [argument for argument in arguments[1:] if argument.startswith("--")]
    told = capsys.readouterr().out
    assert all(option.partition("=")[0] in told for option in options)


def test_the_table_of_commands_is_that_of_the_command_line() -> None:
    table = page("docs/commands.md").partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == command_line.COMMANDS.keys()


SHOP = [block for block in BLOCKS if block.page == "docs/commands.md"]


@pytest.mark.parametrize(
    "block",
    [block for block in SHOP if block.language == "sh" and " bench " not in block.text],
    ids=lambda block: block.text.strip(),
)
def test_a_command_says_of_the_shop_what_stands_behind_it(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [shop] = [block for block in SHOP if block.file]
    (tmp_path / "shop.py").write_text(shop.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    arguments = commands(block.text)
    assert arguments is not None
    code = command_line.main(arguments)
    output = capsys.readouterr().out
    assert output == block.output if block.output else code == 0


def test_commands_are_shown_with_their_output() -> None:
    """The output of `bench` is figures, so its block does not run; all other blocks with an output do."""
    shown = [commands(block.text) for block in SHOP if block.language == "sh" and block.output]
    assert sorted(arguments[0] for arguments in shown if arguments) == ["bench", "check", "match", "match", "routes"]


@pytest.mark.skipif(sys.platform == "win32", reason="the step runs in bash")
@pytest.mark.parametrize(("name", "key"), [("action.yml", "run"), (".pre-commit-hooks.yaml", "entry")])
@pytest.mark.slow
def test_action_and_hook_check_an_application(name: str, key: str, tmp_path: Path) -> None:
    """The line that they run finds the two mistakes of the shop, and nothing in the application of the README."""
    [shop] = [block for block in SHOP if block.file == "shop.py"]
    (tmp_path / "shop.py").write_text(shop.text, encoding="utf-8")
    (tmp_path / "main.py").write_text(PYTHON[0].text, encoding="utf-8")
    [line] = re.findall(rf"^ *(?:- )?{key}: (.*)$", page(name), re.MULTILINE)
    scripts = str(Path(sys.executable).parent)
    codes = []
    for app in ("shop:app", "main:app"):
        program = line if "$APP" in line else f"{line} {app}"
        variables = {**os.environ, "APP": app, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", program], cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True)
        assert "problem" in done.stdout
        codes.append(done.returncode)
    assert codes == [1, 0]


#: Lines that need a network, minutes, or somebody who stops a server: only their words are checked.
NOT_RUN = re.compile(
    r"pip |python3 -m venv |\.venv/bin/(pip|pytest) |sh -c |python bench/|uvicorn |(python -m )?fastroute "
)


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_run_or_of_a_known_kind(line: str) -> None:
    assert line == "python client.py" or NOT_RUN.match(line)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_shell_lines_are_well_formed() -> None:
    for line in LINES:
        subprocess.run(["sh", "-n", "-c", line], check=True)


def test_quick_start_is_two_commands_that_a_variable_can_stand_before() -> None:
    """`NAME=1 a && b` would set it for `a` alone."""
    [block] = re.findall(
        r"^```sh\n(.*?)^```$", section(page("README.md"), "Quick start"), flags=re.DOTALL | re.MULTILINE
    )
    lines = block.splitlines()
    assert len(lines) == 2
    for line in lines:
        shell, option, script = shlex.split(line)
        assert (shell, option) == ("sh", "-c")
        assert script.startswith("python3 -m venv --clear .venv")
    assert lines[0].endswith("fastroute demo'")
    assert lines[1].endswith("pytest'")


# --- names -------------------------------------------------------------------------------------------------------


def test_blocks_are_of_a_known_language() -> None:
    assert {block.language for block in BLOCKS} <= {"python", "sh", "text", "powershell", "yaml", "toml", "nginx"}


def test_extras_exist() -> None:
    text = "\n".join(map(page, PAGES))
    named = re.findall(r"(?:fastroute|\")\.?\[([a-z,]+)\][\"'`]", text)
    extras = {extra for found in named for extra in found.split(",")}
    assert {"demo", "test", "fuzz"} <= extras <= PROJECT["optional-dependencies"].keys()


#: A file or a folder of the repository, as a page names it: in code, or in a command.
_NAMED = re.compile(r"(?<![\w/.])(?:(?:docs|tests|bench|examples|\.github|\.ci)/[\w./-]*\w|[A-Z]+\.md)(?![\w/*])")


@pytest.mark.parametrize("name", PAGES)
def test_files_that_a_page_names_exist(name: str) -> None:
    named = set(_NAMED.findall(page(name)))
    in_no_sdist = {found for found in named if found.startswith((".ci/", ".github/")) and not (ROOT / ".ci").exists()}
    assert not [found for found in named - in_no_sdist if not (ROOT / found).exists()]


SESSIONS = set(re.findall(r"^@nox\.session.*\n(?:@.*\n)*def (\w+)", page("noxfile.py"), re.MULTILINE))


def test_sessions_of_nox_exist() -> None:
    named = set(re.findall(r"nox -s (\w+)", "\n".join(map(page, PAGES))))
    assert {"quick", "lint"} <= named <= SESSIONS


def test_the_workflows_run_sessions_that_exist_and_all_that_contributors_run() -> None:
    if not (ROOT / ".github").exists():
        pytest.skip("the sdist has no .github")
    yaml = pytest.importorskip("yaml", reason="the workflows are YAML")
    jobs = yaml.safe_load(page(".github/workflows/ci.yml"))["jobs"]
    run = {job["session"] for job in jobs["session"]["strategy"]["matrix"]["include"]}
    loop = set(re.findall(r"^\| `nox -s (\w+)`", section(page("CONTRIBUTING.md"), "The loop"), re.MULTILINE))
    assert loop <= run <= SESSIONS
    matrix = jobs["tests"]["strategy"]["matrix"]
    tests = {(python, mode) for python in matrix["python"] for mode in matrix["mode"]}
    tests |= {(more["python"], more["mode"]) for more in matrix["include"]}
    [known] = [
        node.value
        for node in ast.parse(page("noxfile.py")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MATRIX"
    ]
    assert tests <= set(eval(ast.unparse(known)))


def test_pages_that_the_readme_lists_exist() -> None:
    listed = re.findall(r"`(\w[\w-]*\.md)`", section(page("README.md"), "What it does"))
    assert len(listed) > 10
    assert not [found for found in listed if not (ROOT / "docs" / found).exists()]


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_links_lead_to_pages_and_sections(name: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", page(name), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        file, _, anchor = target.partition("#")
        assert "://" not in target
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), target
        titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_readme_is_short_and_breaks_nowhere() -> None:
    """A package registry shows it without the files beside it."""
    text = page("README.md")
    assert len(text.splitlines()) <= 200
    assert len(text.split()) <= 1000
    assert not [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("https://")]


def test_figures_of_the_readme_are_those_of_the_benchmarks() -> None:
    """Rounded, and so from the same measurement."""
    pages = page("docs/benchmarks.md") + page("docs/accelerate.md")
    cells = re.findall(r"(?<=\| )\d[\d,]*(?:\.\d+)?(?= \|)", pages)
    measured = [float(cell.replace(",", "")) for cell in cells]
    rows = re.findall(r"^\| (?:a|the|one) [^|]*\|(.*)$", section(page("README.md"), "Figures"), re.MULTILINE)
    assert len(rows) == 5
    for text in re.findall(r"\d+(?:\.\d+)?", " ".join(rows).replace(",", "")):
        digits = len(text.partition(".")[2])
        assert any(f"{figure:.{digits}f}" == text for figure in measured), text


def test_the_reference_has_every_public_name_and_no_other() -> None:
    reference = page("docs/reference.md")
    for module in (fastroute, fastroute.asyncapi, fastroute.security, fastroute.strategies, fastroute.testing):
        rows = re.findall(r"^\| (`.*?) \|", section(reference, module.__name__), re.MULTILINE)
        named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
        elsewhere = {"SecurityScopes"} if module is fastroute.security else set()
        assert named == set(module.__all__) - {"__version__"} - elsewhere
        shown = re.findall(r"^::: \S+\.(\w+)$", section(reference, module.__name__), re.MULTILINE)
        assert sorted(shown) == sorted(named - {"IMPLEMENTATION"})


def test_the_site_lists_every_page() -> None:
    nav = tomllib.loads(page("zensical.toml"))["project"]["nav"]
    pages = {path.stem for path in ROOT.glob("docs/*.md")}
    assert sorted(re.findall(r"([\w-]+)\.md", str(nav))) == sorted(pages)
    assert sorted(re.findall(r"\]\(([\w-]+)\.html\)", page("docs/llms.txt"))) == sorted(pages - {"index"})


# --- architecture ------------------------------------------------------------------------------------------------


def test_modules_that_moved_are_where_the_changes_say() -> None:
    moved = page("CHANGES.md").partition("| before | now |")[2]
    now = {name for row in moved.splitlines() for name in re.findall(r"`([\w.]+)`", row.rpartition(" | ")[2])}
    assert len(now) > 15
    missing = [name for name in now if not list(SOURCES.glob(f"{name.replace('.', '/')}.py*"))]
    assert not missing


def test_files_that_the_architecture_sends_to_exist() -> None:
    looks = section(page("docs/architecture.md"), "Where to look")
    named = re.findall(r"`((?:\w+/)?\w+\.pyx?|tests/\w+\.py)`", looks)
    assert len(named) > 15
    missing = [name for name in named if not any((base / name).exists() for base in (SOURCES, ROOT))]
    assert not missing


def test_a_word_of_the_glossary_stands_there_once() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ", section(page("docs/architecture.md"), "Glossary"), flags=re.MULTILINE)[1:]
    words = [word for row in rows for word in row.split(", ")]
    assert len(words) > 30
    assert len(words) == len(set(words))


@pytest.mark.parametrize("name", [".github/ISSUE_TEMPLATE/bug.yml", ".github/pull_request_template.md"])
def test_a_template_asks_for_fastroute_info(name: str) -> None:
    if not (ROOT / ".github").exists():
        pytest.skip("the sdist has no .github")
    assert "fastroute info" in page(name)
