"""BEHAVIOUR.md lists the parity tests, each beside the behaviour that it shows: all of them, and no others."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SECTION = re.compile(r"^## [^\n]*: `(test_\w+\.py)`\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def rows(text: str) -> list[list[str]]:
    """The cells of each row below the head of a table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines[2:]]


LISTED = {file: rows(text) for file, text in SECTION.findall((HERE / "BEHAVIOUR.md").read_text(encoding="utf-8"))}
FILES = sorted(path.name for path in HERE.glob("test_*.py") if path != Path(__file__))


def parsed(file: str) -> ast.Module:
    return ast.parse((HERE / file).read_text(encoding="utf-8"))


def test_every_file_has_a_section() -> None:
    assert sorted(LISTED) == FILES


@pytest.mark.parametrize("file", FILES)
def test_every_test_is_listed_once(file: str) -> None:
    functions = (node for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef))
    tests = [function.name for function in functions if function.name.startswith("test_")]
    listed = [name for row in LISTED[file] for name in re.findall(r"`(test_\w+)`", row[-1])]
    missing, unknown = set(tests) - set(listed), set(listed) - set(tests)
    assert not missing, f"BEHAVIOUR.md needs a row, or a name in a row, below {file} for {sorted(missing)}"
    assert not unknown, f"BEHAVIOUR.md lists tests that are not in {file}: {sorted(unknown)}"
    assert len(listed) == len(tests), f"BEHAVIOUR.md lists a test of {file} twice"


@pytest.mark.parametrize("file", FILES)
def test_every_row_is_complete(file: str) -> None:
    for sentence, source, tests in LISTED[file]:
        assert sentence.strip().endswith("."), sentence
        assert re.fullmatch(r"none|`[\w.]+`(, `[\w.]+`)*", source.strip()), source
        assert re.fullmatch(r"`test_\w+`( `test_\w+`)*", tests.strip()), tests
