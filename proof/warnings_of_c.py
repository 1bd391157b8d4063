"""Compiles the kernels with gcc and clang and fails on a warning in a line of a .pyx.

    python proof/warnings_of_c.py

Cython's own code around our lines has warnings as well; they are not ours, and are left out.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

KERNELS = sorted(Path("fastroute", "matching").glob("*_c.pyx"))
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]
# Of the code that Cython writes for a line, which nobody can write otherwise.
CYTHON = ["-Wno-cast-function-type", "-Wno-unused-function", "-Wno-unused-but-set-variable"]


def main() -> int:
    compilers = [name for name in ("gcc", "clang") if shutil.which(name)]
    if not compilers:
        print("neither gcc nor clang is installed", file=sys.stderr)
        return 2
    found: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        for kernel in KERNELS:
            source = Path(folder, kernel.name).with_suffix(".c")
            # With the lines of the .pyx in the place of those of the C.
            cython = [sys.executable, "-m", "cython", "-3", "--line-directives", "-o", str(source), str(kernel)]
            subprocess.run(cython, check=True)
            for compiler in compilers:
                command = [compiler, "-O2", "-c", *WARNINGS, *CYTHON, f"-I{sysconfig.get_path('include')}"]
                run = subprocess.run([*command, str(source), "-o", "/dev/null"], capture_output=True, text=True)
                if run.returncode:
                    print(run.stderr, file=sys.stderr)
                    return 2
                found |= {
                    f"{line} ({compiler})"
                    for line in run.stderr.splitlines()
                    if re.search(r"\.pyx:\d+.*warning:", line)
                }
    for warning in sorted(found):
        print(warning)
    print(f"{', '.join(compilers)}: {len(KERNELS)} kernels, {len(found)} warnings in lines of ours")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
