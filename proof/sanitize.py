"""The kernels under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer, on an install that was built so.

    CFLAGS='-O1 -g -fsanitize=address,undefined ...' pip install . && python proof/sanitize.py [--seconds N]

Python itself is not built so: the libraries of the sanitizers are loaded before it, and leaks are ours if a kernel is
in their stack. The exit code is 1 if a sanitizer finds something, or a test fails.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

TESTS = ["tests/matching", "tests/router/test_index.py", "tests/router/test_threads.py"]
#: Runs out of memory on purpose, and counts each allocation: not those of a sanitizer.
WITHOUT = ["--ignore=tests/matching/test_memory.py"]
#: Of an allocation that a kernel made, by the names that Cython gives to functions and modules.
OURS = re.compile(r"fastroute/matching|__pyx_|_c\.cpython")


def library(name: str) -> str:
    command = [os.environ.get("CC", "gcc"), f"-print-file-name=lib{name}.so"]
    return str(Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()).resolve())


def environment(leaks: bool) -> dict[str, str]:
    return {
        **os.environ,
        # The package that is installed, not the sources in this folder.
        "PYTHONSAFEPATH": "1",
        "LD_PRELOAD": f"{library('asan')} {library('ubsan')}",
        # Small objects would else come from pools of Python, which the sanitizers do not see into.
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": f"detect_leaks={int(leaks)}:fast_unwind_on_malloc={int(not leaks)}:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "LSAN_OPTIONS": "exitcode=0:max_leaks=0:report_objects=0",
    }


def run(*arguments: str) -> bool:
    print("===", *arguments, flush=True)
    return subprocess.run([sys.executable, *arguments], env=environment(leaks=False)).returncode == 0


def leaks() -> list[str]:
    """The leaks at the end of a process that used the kernels, as far as a kernel is in their stack."""
    print("=== leaks", flush=True)
    command = [sys.executable, "proof/leaks.py", "--turns", "20"]
    done = subprocess.run(command, env=environment(leaks=True), capture_output=True, text=True)
    if "LeakSanitizer" not in done.stderr and done.returncode:
        return [done.stdout + done.stderr]
    found = re.split(r"\n(?=(?:Direct|Indirect) leak of)", done.stderr)
    print(f"{len(found) - 1} leaks of Python and other libraries")
    return [leak for leak in found[1:] if leak.startswith("Direct") and OURS.search(leak)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", default="60", help="how long to fuzz (default: %(default)s)")
    arguments = parser.parse_args()
    passed = run("-c", "import fastroute; assert fastroute.IMPLEMENTATION == 'cython'")
    passed = passed and run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not install", *TESTS, *WITHOUT)
    passed = passed and run("-m", "fastroute", "fuzz", "--seconds", arguments.seconds)
    found = leaks() if passed else []
    for leak in found:
        print(leak)
    print(f"{'all passed' if passed else 'failed'}, {len(found)} leaks of kernels")
    return 0 if passed and not found else 1


if __name__ == "__main__":
    sys.exit(main())
