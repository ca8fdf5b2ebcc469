"""How to reach the API server: in the cluster, or by a kubeconfig.

The configuration and its token rotation are the `kubernetes` package's. Its typed models are never
imported: they cost half a second and 30 MB, and refuse fields newer than themselves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import getproxies_environment

import aiohttp
import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import load_incluster_config
from kubernetes.aio.config.kube_config import load_kube_config, refresh_token


class UnreachableError(Exception):
    """No usable configuration of an API server was found."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A configured API server; `authorization()` follows a rotated token."""

    configuration: Any
    loader: Any = None
    """The kubeconfig's loader, which knows how to refresh a token; None in the cluster."""

    @property
    def server(self) -> str:
        return str(self.configuration.host)

    async def authorization(self) -> str | None:
        """Return the value of the Authorization header, read again when the token rotates."""
        token = await self.configuration.get_api_key_with_prefix("BearerToken", "authorization")
        return str(token) if token else None

    def __post_init__(self) -> None:
        # aiohttp asks a thread about proxies ahead of every request; here it is asked only once.
        self.configuration.client_session_kwargs = {"trust_env": self._has_proxy}

    @property
    def _has_proxy(self) -> bool:
        return bool(getproxies_environment())

    def open_session(self) -> aiohttp.ClientSession:
        """Open an HTTP session for long watches; whoever asks for it closes it."""

        async def authorize(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            if token := await self.authorization():
                request.headers["Authorization"] = token
            return await handler(request)

        context = RESTClientObject(self.configuration).ssl_context
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context),
            middlewares=(authorize,),
            trust_env=self._has_proxy,
            read_bufsize=2**21,
        )

    async def keep_fresh(self) -> None:
        """Refresh the token of an exec plugin for ever; return at once where nothing expires."""
        if self.loader is not None and getattr(self.loader, "exec_plugin_expiry", None):
            await refresh_token(self.loader, client_configuration=self.configuration)


async def connect(*, context: str | None = None, kubeconfig: str | None = None) -> Connection:
    """Find the API server as kubectl does, preferring the cluster that we run in."""
    kubeconfig = kubeconfig or os.environ.get("KUBECONFIG")
    if context is None and kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _connect_in_cluster()
    configuration = Configuration()
    path = kubeconfig or str(Path.home() / ".kube" / "config")
    try:
        loader = await load_kube_config(
            config_file=path,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except (ConfigException, OSError, AttributeError, TypeError, yaml.YAMLError) as error:
        # An empty or missing file surfaces as an AttributeError inside the package.
        raise UnreachableError(
            f"The kubeconfig {path} cannot be used ({error}); "
            "set KUBECONFIG to a readable file, or name a context of it with --context."
        ) from error
    return Connection(configuration, loader)


def _connect_in_cluster() -> Connection:
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException as error:
        raise UnreachableError(
            f"The pod's service account cannot be used ({error}); "
            "mount its token (automountServiceAccountToken: true) or set KUBECONFIG."
        ) from error
    return Connection(configuration)
