"""The marks of ``penstock.annotations``, under the path that Prefect's code imports."""

from penstock.annotations import allow_failure, unmapped

__all__ = ["allow_failure", "unmapped"]
