"""Seeds of histories that are drawn: a few at a desk, a thousand where a machine has the time."""

import os

IS_THOROUGH = os.environ.get("PENSTOCK_HYPOTHESIS") == "thorough"


def seeds(few: int, *, many: int = 1000) -> range:
    """Return the seeds to try: always the same, so that what fails once fails again."""
    return range(many if IS_THOROUGH else few)
