"""The size of all CRDs together: what every API server has to hold."""

from pathlib import Path

from tests.bench.figures import Figure

ROOT = Path(__file__).parents[2]


def main() -> None:
    size = sum(path.stat().st_size for path in (ROOT / "crds").glob("*.yaml"))
    Figure("all CRDs together", size / 1000, "kB", 100).print()


if __name__ == "__main__":
    main()
