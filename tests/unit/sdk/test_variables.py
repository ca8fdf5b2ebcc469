"""Variables and secrets: where they come from, and that secrets are never shown."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path
from typing import Any

import pytest

from penstock.blocks import system
from penstock.blocks.system import Secret, find_secret
from penstock.errors import PenstockError
from penstock.home import Sources
from penstock.variables import Variable, find_variable, forget_variable, keep_variable


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("value", [1, "text", None, ["a", 2], {"a": {"b": 1.5}}, True])
def test_a_variable_that_is_set_can_be_read(value: Any) -> None:
    Variable.set("limit", value)

    assert Variable.get("limit", default="other") == value


def test_a_variable_that_was_never_set_has_the_default() -> None:
    assert Variable.get("limit") is None
    assert Variable.get("limit", default=5) == 5


def test_a_variable_is_overwritten_only_when_told() -> None:
    Variable.set("limit", 1)

    with pytest.raises(ValueError, match="pass overwrite=True"):
        Variable.set("limit", 2)
    assert Variable.set("limit", 3, overwrite=True) == Variable("limit", 3)
    assert Variable.get("limit") == 3


def test_a_variable_can_be_forgotten() -> None:
    Variable.set("limit", 1)

    assert Variable.unset("limit") is True
    assert Variable.unset("limit") is False
    assert Variable.get("limit") is None


async def test_each_method_has_an_async_twin() -> None:
    await Variable.aset("limit", 1)

    assert await Variable.aget("limit") == 1
    assert await Variable.aunset("limit")


def test_the_file_is_yaml_that_a_person_may_write(home: Path) -> None:
    _write(home / "variables.yaml", "limit: 7\nnames:\n- a\n")

    assert Variable.get("limit") == 7
    assert Variable.get("names") == ["a"]


@pytest.mark.parametrize("text", ["- a\n", "a: [\n"])
def test_a_file_that_cannot_be_read_says_why(home: Path, text: str) -> None:
    _write(home / "variables.yaml", text)

    with pytest.raises(PenstockError, match=r"variables\.yaml (has to hold|is no valid YAML)"):
        Variable.get("limit")


@pytest.mark.parametrize("name", ["Limit", "a b", "", "../x"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="lowercase letters"):
        Variable.get(name)


@pytest.mark.parametrize("value", [{1: 2}, (1,), object(), float("nan")])
def test_a_value_that_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="JSON's types"):
        Variable.set("limit", value)


def test_the_environment_goes_before_the_configmap_and_that_before_the_file(tmp_path: Path) -> None:
    sources = Sources(environ={}, mounted=tmp_path / "run", home=tmp_path / "home")
    everything = Sources(
        environ={"PENSTOCK_VARIABLE_MY_LIMIT": "[3]"}, mounted=sources.mounted, home=sources.home
    )
    keep_variable("my-limit", 1, sources=sources)
    _write(tmp_path / "run/variables/my-limit", "two\n")

    assert find_variable("my-limit", sources=everything) == [3]
    assert find_variable("my-limit", sources=sources) == "two"
    with pytest.raises(PenstockError, match="PENSTOCK_VARIABLE_MY_LIMIT in the environment"):
        keep_variable("my-limit", 4, overwrite=True, sources=everything)
    with pytest.raises(PenstockError, match="kubectl edit configmap"):
        forget_variable("my-limit", sources=sources)


def test_a_secret_comes_from_the_environment_a_mount_or_the_home(tmp_path: Path) -> None:
    sources = Sources(environ={}, mounted=tmp_path / "run", home=tmp_path / "home")
    _write(tmp_path / "home/secrets/token", "of the home\n")
    at_home = find_secret("token", sources=sources)
    _write(tmp_path / "run/secrets/token", "mounted")
    everything = Sources(
        environ={"PENSTOCK_SECRET_TOKEN": "env"}, mounted=sources.mounted, home=sources.home
    )

    assert at_home == "of the home"
    assert find_secret("token", sources=sources) == "mounted"
    assert find_secret("token", sources=everything) == "env"


def test_a_mounted_secret_has_keys(tmp_path: Path) -> None:
    sources = Sources(environ={}, mounted=tmp_path, home=tmp_path)
    _write(tmp_path / "secrets/db/..data/password", "hidden")
    _write(tmp_path / "secrets/db/password", "pw")

    assert find_secret("db", sources=sources) == "pw"
    _write(tmp_path / "secrets/db/user", "me")
    assert find_secret("db/user", sources=sources) == "me"
    with pytest.raises(PenstockError, match="has password, user: name one"):
        find_secret("db", sources=sources)


def test_a_missing_secret_says_where_to_put_it() -> None:
    with pytest.raises(ValueError, match=r"set PENSTOCK_SECRET_DB_PASSWORD, or write it to .*home"):
        Secret.load("db-password")


@pytest.mark.parametrize("name", ["../x", "a/../b", "/etc/passwd", "a/b/c", ".hidden", "a/.."])
def test_a_secret_s_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(ValueError, match="name of a secret"):
        Secret.load(name)


async def test_a_secret_that_is_saved_can_be_loaded_by_its_owner(home: Path) -> None:
    Secret("pw\n").save("token")

    assert stat.S_IMODE((home / "secrets/token").stat().st_mode) == 0o600
    assert (await Secret.aload("token")).get() == "pw"
    with pytest.raises(ValueError, match="pass overwrite=True"):
        Secret("other").save("token")
    Secret("other").save("token", overwrite=True)
    assert Secret.load("token") == Secret("other")


def test_a_secret_is_never_shown() -> None:
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {[secret]} {secret!s} %s" % secret

    assert "hunter2" not in shown
    assert not hasattr(secret, "__dict__")
    assert pickle.loads(pickle.dumps(secret)) == secret
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_a_secret_is_a_text() -> None:
    with pytest.raises(TypeError, match="not a dict") as caught:
        Secret({"password": "hunter2"})  # type: ignore[arg-type]

    assert "hunter2" not in str(caught.value)


def test_other_system_blocks_say_what_to_use() -> None:
    with pytest.raises(ImportError, match=r"penstock\.variables\.Variable"):
        from penstock.blocks.system import JSON  # type: ignore[attr-defined] # noqa: F401
    assert not hasattr(system, "Nothing")
