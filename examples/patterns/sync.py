"""Keep a folder like another: copy what is new or changed, remove what is gone, and no more."""

import shutil
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets import dataset

from penstock import flow, task, unmapped


@task
def fingerprints(folder: Path) -> dict[str, str]:
    """Return each file's digest."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in files}


@task(retries=3, retry_delay_seconds=[0.1, 1, 10], task_run_name="copy {name}")
def copy(name: str, source: Path, target: Path) -> None:
    """Copy one file; under another name first, so that nobody sees a half."""
    whole = target / name
    whole.parent.mkdir(parents=True, exist_ok=True)
    part = whole.with_name(whole.name + ".part")
    shutil.copyfile(source / name, part)
    part.replace(whole)


@task(task_run_name="remove {name}")
def remove(name: str, target: Path) -> None:
    """Remove one file."""
    (target / name).unlink(missing_ok=True)


@flow
def sync(source: Path, target: Path) -> dict[str, int]:
    """Make ``target`` equal to ``source``; the result says what that took."""
    there, here = fingerprints.submit(source), fingerprints.submit(target)
    wanted, present = there.result(), here.result()
    changed = sorted(name for name in wanted if present.get(name) != wanted[name])
    gone = sorted(present.keys() - wanted.keys())
    copies = copy.map(changed, unmapped(source), unmapped(target))
    remove.map(gone, unmapped(target), wait_for=copies)
    return {"copied": len(changed), "removed": len(gone)}


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        target = Path(folder)
        (target / "old.csv").write_text("gone at the source")
        print(sync(dataset("."), target))
        print(sync(dataset("."), target))
