"""The demo as a user runs it: a real server and real clients."""

import argparse
import os
import re
import signal
import subprocess
import sys

import pytest
from websockets.sync.client import connect

from fastroute.commands import demo

pytestmark = pytest.mark.install

DEMO = [sys.executable, "-P", "-m", "fastroute", "demo"]


@pytest.mark.slow
@pytest.mark.twins
def test_every_client_gets_its_answer(implementation: str) -> None:
    done = subprocess.run(DEMO, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(rf"fastroute \S+ runs {implementation} \(", done.stdout)
    assert "Every answer is as expected." in done.stdout
    for line in (
        "welcome Annie (teal, client 3) to room 7: 1 here, 0 database sessions open",
        "bob: hi ann",
        "HTTP 403 Forbidden",
        "www-authenticate: Bearer",
        "closed 1008 query.start: Input should be less than or equal to 3",
    ):
        assert line in done.stdout


@pytest.mark.slow
def test_a_wrong_answer_ends_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = demo.Client("unknown path", "/nowhere", ["accepted"])
    monkeypatch.setattr(demo, "clients", lambda: [wrong])
    assert demo.run(argparse.Namespace(serve=False)) == 1
    told = capsys.readouterr().out
    assert "WRONG, expected:" in told
    assert "1 of 1 clients got a wrong answer." in told


def test_an_interrupt_during_the_visits_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(serve: bool) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "demonstrate", interrupted)
    assert demo.run(argparse.Namespace(serve=False)) == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a Ctrl-C is a signal elsewhere only")
def test_serve_keeps_serving_until_interrupted() -> None:
    with subprocess.Popen([*DEMO, "--serve"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            address = next(line.split()[1] for line in server.stdout if line.startswith("Serving "))
            header = {"authorization": "Bearer ann-secret"}
            with connect(address, additional_headers=header, proxy=None, open_timeout=10) as socket:
                assert str(socket.recv(timeout=10)).startswith("welcome ann ")
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=20) == 0
        finally:
            server.kill()
