"""The marks of ``penstock.annotations``, under the path that Prefect's code imports."""

from penstock.absent import refuse_absent
from penstock.annotations import allow_failure, opaque, quote, unmapped

__all__ = ["allow_failure", "opaque", "quote", "unmapped"]


refuse_absent(globals())
