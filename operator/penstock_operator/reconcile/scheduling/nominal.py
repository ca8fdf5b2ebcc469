"""The moment that a run is for, written into its parameters."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from penstock_operator.model.schema import JsonObject

_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_KNOWN = re.compile(r"^scheduledTime(?::(.+))?$", re.DOTALL)


def with_moment(parameters: JsonObject, moment: datetime, *, zone: str) -> JsonObject:
    """Return the parameters with the moment in the place of each template."""
    utc = moment.astimezone(UTC)
    local = moment.astimezone(ZoneInfo(zone))

    def written(match: re.Match[str]) -> str:
        known = _KNOWN.match(match[1])
        if known is None:
            return match[0]
        return local.strftime(known[1]) if known[1] else f"{utc:%Y-%m-%dT%H:%M:%SZ}"

    def filled(value: JsonValue) -> JsonValue:
        match value:
            case str():
                return _TEMPLATE.sub(written, value)
            case list():
                return [filled(each) for each in value]
            case dict():
                return {key: filled(each) for key, each in value.items()}
        return value

    return {key: filled(each) for key, each in parameters.items()}


def template_fault(parameters: JsonValue) -> str | None:
    """Return a sentence about the first template that means nothing."""
    match parameters:
        case str():
            for found in _TEMPLATE.finditer(parameters):
                if _KNOWN.match(found[1]) is None:
                    return (
                        f"parameters has the template {found[0]}, which means nothing: there are"
                        " {{ scheduledTime }} and {{ scheduledTime:%Y-%m-%d }}."
                    )
        case list():
            return next(filter(None, map(template_fault, parameters)), None)
        case dict():
            return next(filter(None, map(template_fault, parameters.values())), None)
    return None
