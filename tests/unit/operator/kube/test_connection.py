from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from penstock_operator.kube.connection import UnreachableError, connect


@pytest.fixture(autouse=True)
def outside_of_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("KUBERNETES_SERVICE_HOST", "KUBECONFIG", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def write_kubeconfig(path: Path) -> Path:
    context = {"cluster": "c", "user": "u"}
    config = {
        "clusters": [{"name": n, "cluster": {"server": f"https://{n}:6443"}} for n in ("c", "d")],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [
            {"name": "first", "context": context},
            {"name": "second", "context": context | {"cluster": "d"}},
        ],
        "current-context": "first",
    }
    path.write_text(yaml.safe_dump(config))
    return path


async def test_the_kubeconfig_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "config")))

    connection = await connect()

    assert connection.server == "https://c:6443"
    assert await connection.authorization() == "Bearer secret"


async def test_a_context_can_be_named(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "config")

    connection = await connect(context="second", kubeconfig=str(kubeconfig))

    assert connection.server == "https://d:6443"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="absent"),
        pytest.param("", id="empty"),
        pytest.param("current-context: x", id="incomplete"),
        pytest.param("[", id="no YAML"),
    ],
)
async def test_an_unusable_kubeconfig_is_said_in_a_sentence(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)

    with pytest.raises(UnreachableError, match="set KUBECONFIG to a readable file"):
        await connect(kubeconfig=str(path))


async def test_a_cluster_without_a_token_file_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    with pytest.raises(UnreachableError, match="mount its token"):
        await connect()


@pytest.mark.parametrize("proxy", ["", "http://proxy:3128"])
async def test_a_proxy_is_asked_for_only_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    if proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)

    connection = await connect(kubeconfig=str(write_kubeconfig(tmp_path / "config")))

    assert connection.configuration.client_session_kwargs == {"trust_env": bool(proxy)}
