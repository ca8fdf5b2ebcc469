"""What an API server's refusal means to the person who typed the command."""

from __future__ import annotations

import json
from typing import Any

from penstock.cli.errors import ApiError

NOT_INSTALLED = (
    "The cluster {server} does not know Penstock's kinds. Install it: helm install penstock "
    "charts/penstock --namespace penstock-system --create-namespace. Or choose another cluster "
    "by --context."
)


def refusal(status: int, content: bytes, *, server: str) -> ApiError:
    """Turn an answer of 400 and above into an error with a sentence that says what to do."""
    answer = _read_status(content)
    message = str(answer.get("message") or content[:300].decode(errors="replace").strip())
    return ApiError(
        _sentence(status, answer, message=message, server=server), status=status, message=message
    )


def _sentence(status: int, answer: dict[str, Any], *, message: str, server: str) -> str:
    match status:
        case 401:
            return (
                f"The cluster {server} does not accept your credentials; log in to it again, or "
                "name another user's context by --context."
            )
        case 403:
            return (
                f"You may not do that: {message}. Ask the cluster's administrator for the role "
                "'edit' in that namespace ('view' suffices to look); Penstock's kinds are part of "
                "both."
            )
        case 404 if not answer.get("details", {}).get("name"):
            return NOT_INSTALLED.format(server=server)
        case 429 | 500 | 502 | 503 | 504:
            return f"The API server cannot answer right now ({message}); try again in a moment."
    return f"The API server refuses that: {message}"


def _read_status(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
