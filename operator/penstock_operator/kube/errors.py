# ruff: noqa: N818 - named after the reasons of the API server
"""What an API server can answer other than yes, as types that callers decide upon.

ApiError
├── NotFound           404: the object, or the kind, is not there
├── AlreadyExists      409: a create met an object of that name
├── Conflict           409: the object changed since it was read
├── Invalid            400, 405, 415, 422: the request itself can never succeed as it is
├── Unauthorized       401: the credentials were not accepted
├── Forbidden          403: RBAC, a quota or an admission policy refused
├── Throttled          429: come back after `retry_after` seconds
└── Unavailable        5xx, time-outs, broken connections: it may or may not have been done
"""

from __future__ import annotations

import json
from typing import Any


class ApiError(Exception):
    """An API request did not succeed."""

    def __init__(
        self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class NotFound(ApiError):
    """The object does not exist."""


class AlreadyExists(ApiError):
    """An object of that name exists already."""


class Conflict(ApiError):
    """The object changed since it was read."""


class Invalid(ApiError):
    """The API server refuses the request for what it says."""


class Unauthorized(ApiError):
    """The API server does not accept the credentials."""


class Forbidden(ApiError):
    """RBAC, a quota or an admission policy refuses the request."""


class Terminating(Forbidden):
    """The namespace is being deleted, and takes no new objects."""


class Throttled(ApiError):
    """The API server asks for patience."""


class Unavailable(ApiError):
    """No answer, or one that says nothing about the request; it may have been carried out."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: Throttled,
}


_CAUSE_TERMINATING = "NamespaceTerminating"


def error_of(*, status: int, body: bytes, retry_after: str | None = None) -> ApiError:
    """Turn an answer of 400 and above into the error that callers decide upon."""
    answer = _parse_status(body)
    reason = str(answer.get("reason") or "")
    message = str(answer.get("message") or body[:300].decode("utf-8", "replace") or "no details")
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else ApiError)
    if status == 409 and reason == "AlreadyExists":
        kind = AlreadyExists
    if status == 403 and _CAUSE_TERMINATING in _causes(answer):
        kind = Terminating
    return kind(
        message,
        status=status,
        reason=reason,
        retry_after=_parse_seconds(retry_after, answer),
    )


def _parse_status(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _causes(answer: dict[str, Any]) -> set[str]:
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return {str(each.get("reason")) for each in causes or () if isinstance(each, dict)}


def _parse_seconds(header: str | None, answer: dict[str, Any]) -> float | None:
    details = answer.get("details")
    stated = header or (details.get("retryAfterSeconds") if isinstance(details, dict) else None)
    try:
        return float(stated) if stated is not None else None
    except (TypeError, ValueError):
        return None
