"""Reads the command line, calls one command, and turns every ending into an exit code."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from . import checks, push, rolling, status
from .access import find_access
from .api import Api
from .endings import Ended, Exit, WrongUse
from .screen import Screen

WAIT_SECONDS = 600.0
EPILOG = (
    "Server and token come from FORMULARY_URL and FORMULARY_TOKEN, or from "
    "~/.config/formulary/config.toml. Exit codes: 0 done, 1 refused or blocked, 2 wrong use or "
    "unreadable, 3 the server is away or not done in time, 130 interrupted."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; a command line that is none exits with 2."""
    options = _parser().parse_args(arguments)
    screen = Screen(is_json=options.json)
    try:
        _refuse_unspeakable(options)
        return _run(options, screen)
    except Ended as error:
        screen.ended(error)
        return error.exit
    except KeyboardInterrupt:
        screen.ended(Ended(f"Interrupted. {_LEFT[options.command]}".strip(), code="interrupted"))
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone; Python must not complain about it when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.REFUSED
    except Exception as error:  # noqa: BLE001 - the outermost place: a pipeline gets a sentence
        screen.ended(
            Ended(f"The command itself failed: {type(error).__name__}: {error}", code="internal")
        )
        return Exit.AWAY


def _run(options: Namespace, screen: Screen) -> Exit:
    if options.command == "completion":
        return _complete(screen, options)
    if options.command == "check" and _is_there(options.target):
        return checks.check_path(screen, path=Path(options.target), base=options.base)
    with Api(find_access(), note=screen.note) as api:
        return _COMMANDS[options.command](api, screen, options)


def _is_there(target: str) -> bool:
    try:
        return Path(target).exists()
    except OSError:  # a name that is too long for any file
        return False


def _complete(screen: Screen, options: Namespace) -> Exit:
    """The completions of a shell, made from the same parser that reads the command line."""
    import shtab  # here, because no other command needs it

    text = shtab.complete(_parser(), shell=options.shell)
    if options.json:
        screen.result({"shell": options.shell, "script": text}, ())
    else:
        sys.stdout.write(text)
    return Exit.OK


def _refuse_unspeakable(options: Namespace) -> None:
    for name, value in vars(options).items():
        if isinstance(value, str) and not value.isprintable():
            raise WrongUse(f"What is given for {name} has characters that can't be printed.")


def _push(api: Api, screen: Screen, options: Namespace) -> Exit:
    return push.push(
        api,
        screen,
        path=options.path,
        adapter=options.adapter,
        version_name=options.version_name,
        notes=options.notes,
        parent=options.parent,
        label_file=options.label,
        must_wait=options.wait,
        timeout_seconds=options.timeout,
    )


def _check(api: Api, screen: Screen, options: Namespace) -> Exit:
    if "@" not in options.target and not _is_uuid(options.target):
        raise WrongUse(
            f"{options.target} is no path on this machine and no reference to a version.",
            fix="Give a folder, a ZIP archive, or adapter@version_name.",
        )
    return checks.check_ref(
        api,
        screen,
        ref=options.target,
        with_evidence=options.evidence,
        timeout_seconds=options.timeout,
    )


def _deploy(api: Api, screen: Screen, options: Namespace) -> Exit:
    return rolling.deploy(
        api,
        screen,
        ref=options.ref,
        deployment=options.deployment,
        strategy=options.strategy,
        reason=options.reason,
        must_wait=options.wait,
        timeout_seconds=options.timeout,
    )


def _stop(api: Api, screen: Screen, options: Namespace) -> Exit:
    return rolling.stop(
        api, screen, target=options.target, reason=options.reason, is_sure=options.yes
    )


def _status(api: Api, screen: Screen, options: Namespace) -> Exit:
    if options.ref and options.deployment:
        raise WrongUse("Give either a version or --deployment.")
    if options.deployment:
        return status.show_deployment(api, screen, name=options.deployment)
    if options.ref:
        return status.show_version(api, screen, ref=options.ref)
    return status.show_overview(api, screen)


# What is true after an interrupt.
_LEFT = {
    "push": "What was sent is kept for a day: the same command goes on.",
    "check": "Nothing was changed.",
    "deploy": "A rollout that has begun goes on: formulary status tells.",
    "stop": "formulary status tells whether it is stopped.",
    "status": "Nothing was changed.",
    "completion": "",
}
_COMMANDS = {
    "push": _push,
    "check": _check,
    "deploy": _deploy,
    "stop": _stop,
    "status": _status,
}


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="formulary",
        description="Adapters from a pipeline or a terminal: pushed, checked, rolled out, stopped.",
        epilog=EPILOG,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, *, waits: bool = False) -> ArgumentParser:
        command: ArgumentParser = commands.add_parser(
            name, help=text, description=text, epilog=EPILOG
        )
        command.add_argument("--json", action="store_true", help="print one JSON object")
        if waits:
            command.add_argument(
                "--timeout", type=_seconds, default=WAIT_SECONDS, metavar="SECONDS",
                help="how long to wait (default: %(default)s)",
            )  # fmt: skip
        return command

    one = add("push", "Make a folder or a ZIP archive a version of an adapter.", waits=True)
    one.add_argument("path", type=Path, metavar="PATH", help="a folder or a ZIP archive")
    one.add_argument("--adapter", required=True, metavar="REF", help="slug or namespace:slug")
    one.add_argument(
        "--version-name", default="", metavar="NAME", help="default: the next, such as v3"
    )
    one.add_argument("--label", type=Path, metavar="FILE", help="JSON: what the version is for")
    one.add_argument("--notes", default="", help="what changed")
    one.add_argument("--parent", default="", metavar="REF", help="the version it comes from")
    one.add_argument("--wait", action="store_true", help="wait for the checks; exit 1 if blocked")

    one = add("check", "Check a package here, or ask what was found on a version.", waits=True)
    one.add_argument("target", metavar="PATH_OR_REF", help="a package, or adapter@version_name")
    one.add_argument("--base", default="", metavar="FOLDER", help="for a package: its base model")
    one.add_argument(
        "--evidence", action="store_true", help="for a version: what its evaluations show, too"
    )

    one = add("deploy", "Begin a rollout of an approved version.", waits=True)
    one.add_argument("ref", metavar="REF", help="the version: adapter@version_name")
    one.add_argument("--deployment", required=True, metavar="NAME", help="its public name")
    one.add_argument("--strategy", default="", help="as the server offers them, such as canary")
    one.add_argument("--reason", default="", help="goes into the audit trail")
    one.add_argument("--wait", action="store_true", help="wait; exit 0 only if it is promoted")

    one = add("stop", "Withdraw a version everywhere, within seconds.")
    one.add_argument("target", metavar="DIGEST_OR_REF", help="64 hex digits, or a version")
    one.add_argument("--reason", required=True, help="goes into the audit trail")
    one.add_argument("--yes", action="store_true", help="don't ask")

    one = add("status", "What answers under which name, or where a version stands.")
    one.add_argument("ref", nargs="?", default="", metavar="REF", help="a version; default: all")
    one.add_argument("--deployment", default="", metavar="NAME", help="one deployment alone")

    one = add("completion", "Print the completions of a shell, to be read by it at its start.")
    one.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 7 * 24 * 3600:
        raise ValueError(text)
    return value


def _is_uuid(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4
