"""Output fits a terminal, and a pipe gets every line as long as it is."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.commands._terminal import columns_of, fitted, shortened

if sys.platform != "win32":
    import fcntl
    import pty
    import termios

APPLICATION = """
from typing import Annotated

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Host, Mount, Route, Router
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends, Query

def an_unusually_long_name_of_a_dependency_that_nobody_would_write(token: Annotated[str, Query()]): ...
async def an_unusually_long_name_of_an_endpoint_that_nobody_would_write(
    websocket: WebSocket, user: Annotated[None, Depends(an_unusually_long_name_of_a_dependency_that_nobody_would_write)]
): ...
async def page(request: HTTPConnection): ...

long = "/first-" + "a" * 200
app = Starlette(routes=[
    Mount(long, routes=[
        APIWebSocketRoute("/{room_id:int}/last", an_unusually_long_name_of_an_endpoint_that_nobody_would_write),
        APIWebSocketRoute("/feed", page),
        Host("h" * 100 + ".example.org", Router([Route("/{name}" + long, page), Route("/x" + long, page)])),
    ]),
    Route(long + "/{name}", page),
    Route("/" + "最初の部屋" * 20 + "/{name}", page, name="部屋"),
    Route("/二番目", page),
])
"""
LONG = "/first-" + "a" * 200


@pytest.mark.parametrize(
    ("word", "most", "expected"),
    [
        ("/rooms/7", 8, "/rooms/7"),
        ("/first-and-second/last", 15, "/first-an…/last"),
        ("/first/second/third", 12, "/firs…/third"),
        ("/a/" + "b" * 50, 11, "/a/bb…bbbbb"),
        ("/first/second/third/", 15, "/first/…/third/"),
        ("abcdefghij", 7, "abc…hij"),
        ("/最初/二番目/最後", 15, "/最初/二…/最後"),
        ("/最初/二番目/最後", 14, "/最初/二…/最後"),
        ("/最初/二番目/最後", 13, "/最初/…/最後"),
        ("最初二番目最後", 8, "最…最後"),
    ],
)
def test_a_path_is_cut_in_its_middle(word: str, most: int, expected: str) -> None:
    found = shortened(word, most)
    assert found == expected
    assert columns_of(found) <= most


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("abc", 3), ("é", 1), ("日本", 4), ("ｶﾅ", 2), ("한글", 4), ("e\u0301", 1), ("😀", 2)]
)
def test_the_columns_of_a_text_are_those_of_rich(text: str, columns: int) -> None:
    assert columns_of(text) == columns
    cells = pytest.importorskip("rich.cells", reason="rich is not installed here")
    assert cells.cell_len(text) == columns


@given(st.text("a/ {}…日本\u0301", max_size=200), st.integers(10, 100))
def test_every_line_fits_and_no_short_word_is_lost(line: str, width: int) -> None:
    found = fitted(line, width)
    assert all(columns_of(part) <= width for part in found)
    room = width - min(len(line) - len(line.lstrip(" ")) + 4, width // 2)
    short = [word for word in line.split() if columns_of(word) <= room]
    words = " ".join(found).split()
    assert set(short) <= set(words)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wide.py").write_text(APPLICATION)
    return tmp_path


COMMANDS = [
    ["routes", "wide:app"],
    ["check", "wide:app"],
    ["info"],
    ["match", "wide:app", f"{LONG}/7/last", "--websocket"],
    ["match", "wide:app", f"ws://{'h' * 100}.example.org{LONG}/7/last?token="],
    ["match", "wide:app", f"ws://localhost{LONG}/7/last"],
    ["match", "wide:app", f"{LONG}/x/last"],
    ["plan", "wide:app", f"{LONG}/7/last"],
]
HELP = [[name, "--help"] for name in ("bench", "check", "demo", "fuzz", "info", "match", "plan", "routes")]
CASES = [
    *((argv, True, 60) for argv in COMMANDS),
    *((argv, False, 60) for argv in HELP),
    (COMMANDS[0], False, 60),
    (COMMANDS[0], True, 130),
    (COMMANDS[0], False, 130),
    (["match", "wide:app", "/" + "最初の部屋" * 20], False, 60),
]


RUN = "import sys; from fastroute.__main__ import main; sys.exit(main(sys.argv[1:]))"
WITHOUT_RICH = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "rich" else find(name, *rest)
"""


@pytest.mark.slow
@pytest.mark.install
@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is a pty elsewhere only")
@pytest.mark.parametrize(("argv", "rich", "columns"), CASES)
def test_every_line_fits_the_terminal(argv: list[str], rich: bool, columns: int, folder: Path) -> None:
    text = _on_a_terminal(argv, rich, columns, folder)
    assert text
    assert [line for line in text.splitlines() if columns_of(line) > max(80, columns)] == []
    if argv == ["routes", "wide:app"]:
        assert re.search(r" /fir\S*…/last ", text)
        # The last column is drawn below itself.
        lines = [line for line in text.splitlines() if line.rstrip().endswith(("lookup", "scan"))]
        assert len({columns_of(re.sub(r"\w+\s*$", "", line)) for line in lines}) == 1


def _on_a_terminal(argv: list[str], rich: bool, columns: int, folder: Path) -> str:
    program = ("" if rich else WITHOUT_RICH) + RUN
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment |= {"PYTHONIOENCODING": "utf-8", "TERM": "xterm"}
    command = [sys.executable, "-P", "-c", program, *argv]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=folder, env=environment) as process:
        os.close(theirs)
        read = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux, once the other side is closed
                break
            if not part:
                break
            read += part
        process.wait(timeout=60)
    os.close(ours)
    assert process.returncode in (0, 1), read.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", read.decode()).replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.install
def test_a_pipe_gets_the_full_width(folder: Path) -> None:
    for argv in (["routes", "wide:app"], ["match", "wide:app", f"{LONG}/7/last", "--websocket"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "fastroute", *argv], cwd=folder, capture_output=True, text=True, check=True
        )
        assert f"{LONG}/{{room_id:int}}/last" in done.stdout
