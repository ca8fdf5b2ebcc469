"""Names of Kubernetes objects, made of what people call things."""

from __future__ import annotations

import re

LONGEST = 52
"""Characters of the name of a Flow or a run: what is made for it has longer ones."""


def nearest_name(text: str, *, longest: int = LONGEST) -> str:
    """Return the nearest name that an object can have; empty if nothing is left of the text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:longest].rstrip("-")
