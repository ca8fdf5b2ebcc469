"""Which images there are, what each is made from, and whether one is current."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from images import CACHE, ROOT, say
from images.tools import Tool
from images.wheels import fetch_requirements, gather_wheels

VERSION = re.findall(
    r'__version__ = "(.+)"', (ROOT / "runner-image" / "penstock" / "_version.py").read_text()
)[0]
PACKAGING = (ROOT / "pyproject.toml", ROOT / "requirements-dev.lock")
BUILDER = tuple(sorted(Path(__file__).parent.glob("*.py")))
ARCHIVES_KEPT = 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image and what goes into it."""

    name: str
    dockerfile: Path
    sources: tuple[Path, ...]
    extras: str = ""
    also: tuple[str, ...] = ()
    on_runner: bool = False
    """Whether it is an example, which stands on the runner image."""

    @property
    def reference(self) -> str:
        # Without a host, Kubernetes would look for it on Docker Hub.
        return f"localhost/penstock-{self.name}:{VERSION}"

    def inputs(self, below: str) -> str:
        """Return a digest of all that this image is made from, the image below included."""
        return _digest([*self.sources, self.dockerfile, *BUILDER], below)

    def archive(self, inputs: str) -> Path:
        """Return where the image is kept for clusters that have no registry."""
        return CACHE / "images" / f"penstock-{self.name}-{VERSION}-{inputs}.tar"


# One wheel holds both packages, but neither imports the other: each image follows its own.
RUNNER = Recipe(
    "runner",
    ROOT / "runner-image" / "Dockerfile",
    sources=(ROOT / "runner-image" / "penstock", *PACKAGING),
    also=("pip",),
)
OPERATOR = Recipe(
    "operator",
    ROOT / "operator" / "Dockerfile",
    sources=(
        ROOT / "operator" / "penstock_operator",
        ROOT / "runner-image" / "penstock" / "_version.py",
        *PACKAGING,
    ),
    extras="[operator]",
    also=("pip",),
)


def all_recipes() -> dict[str, Recipe]:
    """Return every image of this checkout by its short name, in the order of building."""
    recipes = {"runner": RUNNER, "operator": OPERATOR}
    for dockerfile in sorted(ROOT.glob("examples/*/Dockerfile")):
        folder = dockerfile.parent
        recipes[folder.name] = Recipe(
            f"example-{folder.name}", dockerfile, sources=(folder,), on_runner=True
        )
    return recipes


def build(recipe: Recipe, *, tool: Tool, base: str, archived: bool) -> str:
    """Make an image, or its archive, current; return its digest of inputs."""
    inputs = recipe.inputs(RUNNER.inputs(base) if recipe.on_runner else base)
    if archived and recipe.archive(inputs).exists():
        return inputs
    if tool.label(recipe.reference) != inputs:
        if recipe.on_runner:
            build(RUNNER, tool=tool, base=base, archived=False)
        say(f"Building {recipe.reference}")
        if recipe.on_runner:
            _build_example(recipe, tool=tool, inputs=inputs)
        else:
            _build_own(recipe, tool=tool, base=base, inputs=inputs)
        tool.forget_replaced()
    if archived:
        _save(recipe, tool=tool, archive=recipe.archive(inputs))
    return inputs


def _build_own(recipe: Recipe, *, tool: Tool, base: str, inputs: str) -> None:
    gather_wheels(
        ROOT / "build" / "wheels" / recipe.name,
        extras=recipe.extras,
        also=recipe.also,
        python=tool.python_version(base),
    )
    tool.build(
        recipe.dockerfile,
        context=ROOT,
        reference=recipe.reference,
        arguments={"BASE": base},
        inputs=inputs,
    )


def _build_example(recipe: Recipe, *, tool: Tool, inputs: str) -> None:
    folder = recipe.dockerfile.parent
    if (folder / "requirements.txt").exists():
        fetch_requirements(folder / "requirements.txt", destination=folder / "wheels")
    tool.build(
        recipe.dockerfile,
        context=folder,
        reference=recipe.reference,
        arguments={"RUNNER": RUNNER.reference},
        inputs=inputs,
    )


def _save(recipe: Recipe, *, tool: Tool, archive: Path) -> None:
    say(f"Saving {archive}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    tool.save(recipe.reference, unfinished)
    unfinished.rename(archive)
    older = sorted(
        archive.parent.glob(f"penstock-{recipe.name}-{VERSION}-*.tar"),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in older[ARCHIVES_KEPT:]:
        path.unlink(missing_ok=True)


def _digest(paths: Iterable[Path], below: str) -> str:
    digest = hashlib.sha256(below.encode())
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not {"__pycache__", "wheels"} & set(file.parts):
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
