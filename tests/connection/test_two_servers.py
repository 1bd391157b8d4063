"""Two different servers in each run: `nox -s servers` has all of them, and more of each."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MATRIX = Path(__file__).parents[1] / "servers" / "matrix.py"


@pytest.mark.parametrize("server", ["uvicorn sansio", "hypercorn"])
def test_every_ending_is_as_documented(server: str) -> None:
    parts = [f"--part={part}" for part in ("endings", "resets", "sigterm")]
    command = [sys.executable, str(MATRIX), server, *parts, "--resets=20", "--open=10"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
