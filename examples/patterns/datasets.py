"""Where the examples' data is: real tables of the package vega_datasets, read without pandas."""

import importlib.util
from pathlib import Path


def dataset(name: str) -> Path:
    """Find a file inside the package without importing it: that would need pandas."""
    package = importlib.util.find_spec("vega_datasets")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("Install the data first: pip install --no-deps vega_datasets")
    return Path(package.submodule_search_locations[0]) / "_data" / name
