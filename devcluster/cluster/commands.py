"""The command line of the development cluster."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from types import FrameType

from cluster import images, kwok, lifecycle, processes, toolchain
from cluster.errors import DevclusterError
from cluster.layout import Layout, checked_name, names, saved
from cluster.output import say

_EXAMPLES = """\
examples:
  devcluster up --nodes 2
  export KUBECONFIG=$(devcluster kubeconfig) PATH=$(devcluster path):$PATH
  devcluster load localhost/my-flows:1 build/another-image.tar
  devcluster kill node-2-kubelet        # a node that is cut off
  devcluster logs kube-apiserver -f
  devcluster down
"""


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return int(options.run(options) or 0)
    except DevclusterError as error:
        say(f"devcluster: {error}")
        return 1
    except PermissionError as error:
        say(f"devcluster: {error.filename or 'This'} is root's; run this with sudo.")
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Let every way of being stopped leave by the one path that cleans up."""
    raise KeyboardInterrupt


def _wide(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=100)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="devcluster",
        description="A real Kubernetes on this Linux machine: no Docker, no virtual machine,\n"
        "and nothing that stays behind but a cache of binaries.",
        epilog=_EXAMPLES,
        formatter_class=_wide,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, run: object, text: str, *, named: bool = True
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, formatter_class=_wide)
        sub.set_defaults(run=run)
        if named:
            sub.add_argument(
                "--name",
                default="penstock",
                type=_name,
                help="the cluster's name (default: penstock)",
            )
        return sub

    up = command(
        "up", _up, "Bring a cluster up, or mend one that is; the first time, build its binaries."
    )
    up.add_argument(
        "--nodes", type=int, choices=(1, 2), default=1, help="how many nodes it has (default: 1)"
    )
    up.add_argument(
        "--api-only",
        action="store_true",
        help="only etcd and the API server, for integration tests",
    )
    down = command("down", _down, "Take a cluster down, or clear what is left of one.")
    down.add_argument("--all", action="store_true", help="every cluster of this machine")
    status = command("status", _status, "Tell how a cluster is; exit 0 only when it is healthy.")
    status.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="(default: text)"
    )
    command("kubeconfig", _kubeconfig, "Print the path of the cluster's kubeconfig.")
    command("audit-log", _audit_log, "Print the path of the API server's audit log.")
    load = command(
        "load", _load, "Hand images to the nodes: archives, or names that buildah or Docker knows."
    )
    load.add_argument("images", nargs="+", metavar="IMAGE|ARCHIVE")
    logs = command("logs", _logs, "Print the log of a component.")
    logs.add_argument(
        "component", help="such as kube-apiserver or node-1-kubelet; `status` lists them"
    )
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    kill = command(
        "kill", _kill, "Kill a component; a killed kubelet is a node cut off, its pods go on."
    )
    kill.add_argument("component")
    start = command("start", _start, "Start a killed component again.")
    start.add_argument("component")
    pretend = command(
        "kwok",
        _kwok,
        "Add nodes whose pods only pretend to run, to a cluster that is up with --api-only.",
    )
    pretend.add_argument(
        "--nodes", type=int, default=10, help="how many, of 250 pods each (default: 10)"
    )
    command("build", _build, "Only build the binaries.", named=False)
    command("path", _path, "Print the folder that holds kubectl and helm.", named=False)
    return parser


def _name(text: str) -> str:
    try:
        return checked_name(text)
    except DevclusterError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _present(options: argparse.Namespace) -> Layout:
    layout = saved(options.name)
    if layout is None:
        others = f"; up are: {', '.join(names())}" if names() else ""
        raise DevclusterError(
            f"There is no cluster {options.name}{others}. Bring it up:"
            f" devcluster/devcluster up --name {options.name}."
        )
    return layout


def _up(options: argparse.Namespace) -> None:
    layout = lifecycle.up(options.name, node_count=0 if options.api_only else options.nodes)
    say(f"Cluster {layout.name} is up. To use it: export KUBECONFIG={layout.kubeconfig}")


def _down(options: argparse.Namespace) -> None:
    for name in names() if options.all else [options.name]:
        lifecycle.down(name)


def _status(options: argparse.Namespace) -> int:
    layout = saved(options.name)
    if layout is None:
        print(
            json.dumps({"name": options.name, "healthy": False})
            if options.output == "json"
            else f"{options.name}: not up"
        )
        return 1
    state = lifecycle.state(layout)
    if options.output == "json":
        print(json.dumps(state, indent=2))
    else:
        print(
            f"{layout.name}: {'healthy' if state['healthy'] else 'not healthy'}, {state['server']}"
        )
        for part, pid in state["processes"].items():
            print(f"  {part:28} {pid or 'not running'}")
    return 0 if state["healthy"] else 1


def _kubeconfig(options: argparse.Namespace) -> None:
    print(_present(options).kubeconfig)


def _audit_log(options: argparse.Namespace) -> None:
    print(_present(options).audit_log)


def _load(options: argparse.Namespace) -> None:
    images.load(_present(options), options.images)


def _logs(options: argparse.Namespace) -> None:
    layout = _present(options)
    path = layout.logs / f"{options.component}.log"
    if not path.exists():
        raise processes.unknown(layout, options.component)
    sys.stdout.flush()
    os.execvp("tail", ["tail", "-n", "+1", *(["-F"] if options.follow else []), str(path)])  # noqa: S606


def _kill(options: argparse.Namespace) -> None:
    processes.kill(_present(options), options.component)


def _start(options: argparse.Namespace) -> None:
    processes.restart(_present(options), options.component)


def _kwok(options: argparse.Namespace) -> None:
    kwok.start(_present(options), count=options.nodes)


def _build(_: argparse.Namespace) -> None:
    print(toolchain.built())


def _path(_: argparse.Namespace) -> None:
    print(toolchain.built())
