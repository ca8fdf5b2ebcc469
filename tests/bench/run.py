"""Run the benchmarks one after the other, each in a process of its own, and print one table.

``python -m tests.bench.run [WORD…]`` runs those whose names contain one of the words.
"""

import subprocess
import sys
from pathlib import Path

from tests.bench.figures import Figure, read_figures

HERE = Path(__file__).parent


def main(words: list[str]) -> int:
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    chosen = [name for name in names if not words or any(word in name for word in words)]
    if not chosen:
        print(f"No benchmark matches. There are: {', '.join(names)}.", file=sys.stderr)
        return 2
    print("| Figure | Command | Must reach | Measured |\n|---|---|---|---|")
    outcomes = [_run(name) for name in chosen]
    return 0 if all(outcomes) else 1


def _run(name: str) -> bool:
    print(f"{name} …", file=sys.stderr)
    command = [sys.executable, "-m", f"tests.bench.{name}"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, cwd=HERE.parents[1]
    )
    figures = read_figures(done.stdout.splitlines())
    for figure in figures:
        print(_row(figure, name), flush=True)
    if done.returncode != 0:
        print(f"{name} failed with exit code {done.returncode}.", file=sys.stderr)
    return done.returncode == 0 and all(figure.kept for figure in figures)


def _row(figure: Figure, name: str) -> str:
    word = name.removeprefix("bench_")
    verdict = "" if figure.kept else " **(missed)**"
    measured = f"{figure.value:.3g} {figure.unit}{verdict}"
    measured += f"; {figure.beside}" if figure.beside else ""
    return f"| {figure.name} | `make bench ARGS={word}` | {figure.demand} | {measured} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
