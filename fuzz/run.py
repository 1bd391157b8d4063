"""Coverage-guided fuzzing: each target of `fuzz/targets`, from its small corpus in `fuzz/corpus` on.

    pip install atheris 'fastroute[test]'
    python fuzz/run.py [--seconds N] [--target NAME] [--jobs N] [--corpus FOLDER]

Each target runs in a Python of its own, `fuzz/one.py`. The exit code is 1 if two readings of an input differ, or if one
input takes 20 seconds.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from targets import TARGETS

HERE = Path(__file__).parent
STATISTICS = {"inputs": r"number_of_executed_units: *(\d+)", "reached": r"cov: (\d+)", "kept": r"corp: (\d+)"}


def run(target: str, seconds: int, folder: Path) -> bool:
    """Whether a target found nothing."""
    corpus = folder / target
    corpus.mkdir(parents=True, exist_ok=True)
    log = folder / f"{target}.log"
    options = [
        f"-max_total_time={seconds}",
        "-timeout=20",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/{target}-",
    ]
    began = time.monotonic()
    with log.open("wb") as output:
        command = [sys.executable, str(HERE / "one.py"), target, *options, str(corpus), str(HERE / "corpus" / target)]
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    told = log.read_text(errors="replace")
    last = {name: re.findall(pattern, told)[-1:] for name, pattern in STATISTICS.items()}
    figures = ", ".join(f"{int(found[0]):,} {name}" for name, found in last.items() if found)
    print(f"{target:8} {time.monotonic() - began:4.0f} s: {figures}{': DIFFERENCE' if code else ''}", flush=True)
    if code:
        print("\n".join(line for line in told.splitlines() if not line.startswith("#"))[-3000:], flush=True)
        print(f"repeat it with: python fuzz/one.py {target} FILE, which is named above", flush=True)
    return code == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default: %(default)s)")
    parser.add_argument("--target", choices=TARGETS, action="append", help="this one; may be repeated (default: all)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time (default: %(default)s)"
    )
    parser.add_argument("--corpus", type=Path, help="keep inputs that reach something new here (default: nowhere)")
    arguments = parser.parse_args()
    targets = arguments.target or list(TARGETS)
    folder = (arguments.corpus or Path(tempfile.mkdtemp(prefix="fastroute-fuzz-"))).resolve()
    rounds = -(-len(targets) // arguments.jobs)
    print(f"{', '.join(targets)}: {arguments.seconds} s each, {arguments.jobs} at a time, ", end="")
    print(f"so about {rounds * arguments.seconds / 60:.0f} minutes; logs and findings in {folder}", flush=True)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        clean = list(pool.map(lambda target: run(target, arguments.seconds, folder), targets))
    return 0 if all(clean) else 1


if __name__ == "__main__":
    sys.exit(main())
