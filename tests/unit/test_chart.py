"""What the chart's folder holds, read without Helm."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from penstock_operator.model.crds import render

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/penstock"


@pytest.mark.parametrize("folder", ["crds", "charts/penstock/files/crds"])
def test_the_definitions_are_what_the_models_say(folder: str) -> None:
    """Run `make crds` after each change of a model."""
    written = {path.name: path.read_text() for path in (ROOT / folder).iterdir()}

    assert written == _rendered()


@cache
def _rendered() -> dict[str, str]:
    return render()


def test_the_definitions_are_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "crds").iterdir()) < 100_000


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = (ROOT / "runner-image/penstock/_version.py").read_text()

    assert f'"{chart["version"]}"' in version
    assert chart["appVersion"] == chart["version"]


def _leaves(values: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and name != "resources":
            found |= _leaves(value, f"{path}.")
        else:
            found.add(path)
    return found


def test_every_value_is_described_and_no_other() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    table = re.findall(r"^\| (`.*?) \|", (CHART / "README.md").read_text(), flags=re.MULTILINE)

    described = {name for cell in table for name in re.findall(r"`(.+?)`", cell)}

    assert described == _leaves(values)


def test_the_defaults_fit_the_schema_and_a_typing_error_does_not() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    jsonschema.validate(values, schema)

    for path in ("replica", "crds.kept", "operator.tag", "launchDeadlines.image"):
        wrong: dict[str, Any] = {}
        *parents, name = path.split(".")
        holder = wrong
        for parent in parents:
            holder = holder.setdefault(parent, {})
        holder[name] = 1
        with pytest.raises(jsonschema.ValidationError, match=name):
            jsonschema.validate(wrong, schema)


def test_every_template_value_exists() -> None:
    """And each is read: a value that does nothing has no place in the chart."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    known = _leaves(values) | {path.rpartition(".")[0] for path in _leaves(values)}
    read = {
        name
        for path in (CHART / "templates").rglob("*")
        if path.is_file()
        for name in re.findall(r"\.Values\.([\w.]+)", path.read_text())
    }

    assert read <= known
    assert {name for name in _leaves(values) if name not in read} == set()
