"""A registry of one image, for those who log in. It runs in a pod, with the standard library only.

The image holds a shell, taken from the pod's own file system, so nothing is downloaded. A container
runtime speaks plain HTTP to a registry of its own machine, so the pod shares its node's network.
"""

import base64
import hashlib
import io
import json
import platform
import re
import subprocess
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 5791
IMAGE = f"127.0.0.1:{PORT}/private/shell:1"
USER, PASSWORD = "robot", "s3cret"
SHELL = "/bin/sh"
_LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_OCI = "application/vnd.oci.image"


def login() -> str:
    """Return what a Secret of the type ``kubernetes.io/dockerconfigjson`` holds."""
    return json.dumps({"auths": {f"127.0.0.1:{PORT}": {"username": USER, "password": PASSWORD}}})


def _layer() -> bytes:
    """Return the shell and the libraries that it needs, as a layer."""
    needed = subprocess.run(["ldd", SHELL], capture_output=True, text=True, check=True).stdout
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for path in (SHELL, *re.findall(r"/\S+", needed)):
            tar.add(path, arcname=path.lstrip("/"))
    return packed.getvalue()


def _described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _image() -> dict[str, bytes]:
    """Return the answers of the registry by the last part of their path."""
    layer = _layer()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}
    config = json.dumps(
        {
            "architecture": architecture[platform.machine()],
            "os": "linux",
            "config": {"Entrypoint": [SHELL], "User": "65532:65532"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _described("config.v1+json", config),
            "layers": [_described("layer.v1.tar", layer)],
        }
    ).encode()
    blobs = {_digest(content): content for content in (config, layer, manifest)}
    return {"": b"{}", "1": manifest, **blobs}


class _Registry(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held: dict[str, bytes]

    def do_GET(self) -> None:
        content = self.held.get(self.path.rpartition("/")[2])
        if self.headers["Authorization"] != _LOGIN:
            self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="registry"'})
        elif content is None:
            self._answer(404, b"", {})
        else:
            kind = f"{_OCI}.manifest.v1+json" if "/manifests/" in self.path else "text/plain"
            digest = {"Docker-Content-Digest": _digest(content)}
            self._answer(200, content, {"Content-Type": kind, **digest})

    do_HEAD = do_GET

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


if __name__ == "__main__":
    _Registry.held = _image()
    ThreadingHTTPServer(("127.0.0.1", PORT), _Registry).serve_forever()
