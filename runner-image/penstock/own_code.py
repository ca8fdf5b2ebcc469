"""The code of a flow: its file, and the files beside it that it imports.

They are read, not run: so the answer is the same in whichever process, and however far its bodies
have come. Libraries are not looked at, since they come with the image, nor are files beyond the
first few dozen: a launch does not wait for more.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

MOST_FILES, MOST_BYTES = 64, 512 * 1024

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#;]+)|import[ \t]+([^\n#;]+))",
    re.MULTILINE,
)
_LIBRARIES = frozenset({"site-packages", "dist-packages"})


def digest_of_code(function: Callable[..., object]) -> str | None:
    """Return a short digest of a function's file and of those beside it that it imports.

    ``None`` where it has no file, as in an interactive session.
    """
    module = sys.modules.get(function.__module__)
    name = getattr(module, "__file__", None)
    if not name:
        return None
    package = [each for each in (getattr(module, "__package__", None) or "").split(".") if each]
    file = Path(name).resolve()
    try:
        root = file.parents[len(package)]
        digest = hashlib.sha256(file.read_bytes())
        for path, content in sorted(_files(file, root=root)):
            digest.update(path.encode() + hashlib.sha256(content).digest())
    except (OSError, IndexError):
        return None
    return digest.hexdigest()[:10]


def _files(file: Path, *, root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files under `root` to which imports lead, without the first one itself."""
    seen = {file}
    unread = deque([file])
    taken = 0
    while unread:
        path = unread.popleft()
        content = path.read_bytes()
        taken += len(content)
        if path != file:
            yield str(path.relative_to(root)), content
        names = _names(content.decode(errors="replace"), of=path.relative_to(root))
        for name in dict.fromkeys(names):
            for found in _found(name, root=root, own=file.relative_to(root).parts[0]):
                if found not in seen and len(seen) < MOST_FILES and taken < MOST_BYTES:
                    seen.add(found)
                    unread.append(found)


def _names(text: str, *, of: Path) -> Iterator[tuple[str, ...]]:
    """Yield the modules that a text imports, and those that it may: what it takes from one."""
    for source, taken, plain in _IMPORT.findall(text):
        if plain:
            yield from (_parts(each) for each in plain.split(","))
            continue
        start = source.lstrip(".")
        up = len(source) - len(start)
        around = of.parent.parts[: len(of.parent.parts) - up + 1] if up else ()
        for each in taken.strip("()").split(","):
            yield (*around, *_parts(start), *_parts(each))


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of what stands between two commas: ``a.b as c``."""
    first = name.split()[:1]
    return tuple(part for part in first[0].split(".") if part.isidentifier()) if first else ()


def _found(name: tuple[str, ...], *, root: Path, own: str) -> Iterator[Path]:
    """Yield the files of a module, and of the packages around it, that are under a folder."""
    if not name or (_LIBRARIES & {*root.parts} and name[0] != own):
        return
    at = str(root)  # a launch asks for hundreds of names, and a Path takes long for each
    for part in name:
        at = os.path.join(at, part)  # noqa: PTH118
        if os.path.isfile(single := f"{at}.py"):  # noqa: PTH113
            yield Path(single)
        if not os.path.isdir(at):  # noqa: PTH112
            return
        if os.path.isfile(package := os.path.join(at, "__init__.py")):  # noqa: PTH113, PTH118
            yield Path(package)
