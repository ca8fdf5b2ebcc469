"""What it costs to import Penstock: time and memory beyond those of a bare interpreter."""

import subprocess
import sys
from statistics import median

from tests.bench.figures import Figure

ROUNDS = 11
PROGRAM = """
import resource, time
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
{statement}
took = time.perf_counter() - began
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(took * 1000, memory / 1024)
"""


def main() -> None:
    bare, _ = _measured("import penstock")
    used, memory = _measured("from penstock import flow, task")
    Figure("import penstock", bare, "ms", 60).print()
    Figure("from penstock import flow, task", used, "ms", 60).print()
    Figure("memory of a process that did", memory, "MiB", 30).print()


def _measured(statement: str) -> tuple[float, float]:
    program = PROGRAM.format(statement=statement)
    rounds = [_numbers(program) for _ in range(ROUNDS)]
    return median(time for time, _ in rounds), median(memory for _, memory in rounds)


def _numbers(program: str) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    time, memory = done.stdout.split()
    return float(time), float(memory)


if __name__ == "__main__":
    main()
