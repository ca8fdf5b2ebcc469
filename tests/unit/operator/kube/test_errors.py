from __future__ import annotations

import json

import pytest

from penstock_operator.kube import errors


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        pytest.param(400, "BadRequest", errors.Invalid, id="bad request"),
        pytest.param(401, "Unauthorized", errors.Unauthorized, id="unauthorized"),
        pytest.param(403, "Forbidden", errors.Forbidden, id="forbidden"),
        pytest.param(404, "NotFound", errors.NotFound, id="not found"),
        pytest.param(409, "Conflict", errors.Conflict, id="conflict"),
        pytest.param(409, "AlreadyExists", errors.AlreadyExists, id="already exists"),
        pytest.param(422, "Invalid", errors.Invalid, id="invalid"),
        pytest.param(429, "TooManyRequests", errors.Throttled, id="throttled"),
        pytest.param(500, "InternalError", errors.Unavailable, id="internal error"),
        pytest.param(503, "ServiceUnavailable", errors.Unavailable, id="unavailable"),
    ],
)
def test_each_refusal_has_its_own_type(
    status: int, reason: str, expected: type[errors.ApiError]
) -> None:
    body = json.dumps({"reason": reason, "message": "No."}).encode()

    error = errors.error_of(status=status, body=body)

    assert type(error) is expected
    assert str(error) == "No."


def test_the_header_says_how_long_to_wait() -> None:
    error = errors.error_of(status=429, body=b"{}", retry_after="7")

    assert error.retry_after == 7.0


def test_the_body_says_how_long_to_wait_where_the_header_does_not() -> None:
    body = json.dumps({"details": {"retryAfterSeconds": 3}}).encode()

    error = errors.error_of(status=429, body=body)

    assert error.retry_after == 3.0


@pytest.mark.parametrize("body", [b"", b"<html>\xff</html>", b"[]", b'"text"'])
def test_an_answer_that_is_no_status_still_makes_an_error(body: bytes) -> None:
    error = errors.error_of(status=502, body=body, retry_after="Wed, 21 Oct")

    assert type(error) is errors.Unavailable
    assert error.retry_after is None


def test_a_namespace_that_is_being_deleted_is_told_apart() -> None:
    causes = [{"reason": "NamespaceTerminating", "message": "namespace a is being terminated"}]
    body = json.dumps({"reason": "Forbidden", "details": {"causes": causes}}).encode()

    error = errors.error_of(status=403, body=body)

    assert type(error) is errors.Terminating
