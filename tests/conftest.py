"""How hard hypothesis searches: quickly at a desk, long where a machine has the time.

PENSTOCK_HYPOTHESIS=thorough tries fifty times as many examples, and others each time.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile(
    "thorough", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile(os.environ.get("PENSTOCK_HYPOTHESIS", "quick"))
