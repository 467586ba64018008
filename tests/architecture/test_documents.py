"""What the documents name exists: pages, commands with their options, make targets, routes."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"manage\.py ([a-z_]+)((?: +(?:[^\s`|#;&)…]+|'[^']*'))*)")
TARGET = re.compile(r"(?:^|`|' )make ([a-z-]+)", re.M)
ROUTE = re.compile(r"(?:(?:GET|POST|PUT|PATCH|DELETE|HEAD) |\bURL)(/(?:api/v1|console)/[^\s`?)]*)")
PLACEHOLDER = re.compile(r"\{[^}]*\}|<[^>]*>|\b[A-Z]{2,}\b")
FENCE = re.compile(r"```(?:sh)?\n(.*?)\n *```", re.S)
BY_ID = ("rollouts", "replicas", "stops", "restores", "evaluations", "approval-requests", "tokens",
         "deliveries", "uploads", "webhooks", "training-runs", "holds")  # fmt: skip


def _found(pattern: re.Pattern[str], *, with_blocks: bool = True) -> Iterator[tuple[Path, str]]:
    """Page and match, for every match on every page."""
    for page in PAGES:
        text = page.read_text()
        for match in pattern.finditer(text if with_blocks else FENCE.sub("", text)):
            yield page, match[0]


def _said(page: Path, what: str) -> str:
    return f"{page.relative_to(ROOT)}: {what}"


def test_pages_and_pictures_that_are_linked_exist() -> None:
    missing, count = [], 0
    for page, link in _found(LINK, with_blocks=False):
        target = LINK.fullmatch(link)[1].split("#")[0]  # type: ignore[index]
        if target and not re.match(r"[a-z]+:", target):
            count += 1
            if not (page.parent / target).exists():
                missing.append(_said(page, target))
    assert count > 20
    assert not missing


def test_commands_exist_with_the_options_that_are_named() -> None:
    wrong, count = [], 0
    for page, line in _found(COMMAND):
        name, rest = COMMAND.fullmatch(line).groups()  # type: ignore[union-attr]
        count += 1
        package = get_commands().get(name)
        if package is None:
            wrong.append(_said(page, f"manage.py {name}"))
            continue
        command = load_command_class(package, name) if isinstance(package, str) else package
        known = {
            option
            for action in command.create_parser("manage.py", name)._actions
            for option in action.option_strings
        }
        options = [word.split("=")[0].rstrip(".,:]") for word in rest.split() if word[:2] == "--"]
        wrong += [
            _said(page, f"manage.py {name} {option}") for option in options if option not in known
        ]
    assert count > 10
    assert not wrong


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = [(page, TARGET.match(text)[1]) for page, text in _found(TARGET)]  # type: ignore[index]
    assert len(named) > 5
    assert [_said(page, name) for page, name in named if f"\n{name}:" not in makefile] == []


def test_routes_that_are_named_exist() -> None:
    wrong, count = [], 0
    for page, text in _found(ROUTE):
        route = ROUTE.fullmatch(text)[1]  # type: ignore[index]
        count += 1
        try:
            resolve(
                re.sub(r"\{[^}]*\}|<[^>]*>|\b[A-Z]{2,}\b", _sample(route), route).rstrip(".,;:")
            )
        except Resolver404:
            wrong.append(_said(page, text))
    assert count > 10
    assert not wrong


def _sample(route: str) -> str:
    """Something that fits the placeholder: a digest, an id, or a name."""
    if "/blobs/" in route:
        return "0" * 64
    is_id = any(f"/{kind}/" in route for kind in BY_ID)
    return "00000000-0000-4000-8000-000000000000" if is_id else "name"


def test_shell_blocks_of_the_runbooks_can_be_parsed() -> None:
    bash = shutil.which("bash")
    assert bash
    pages = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
    assert len(pages) >= 7
    for page in pages:
        for block in FENCE.findall(page.read_text()):
            parsed = subprocess.run(
                [bash, "-n"], input=block, capture_output=True, text=True, check=False
            )
            assert parsed.returncode == 0, _said(page, parsed.stderr)


def test_every_runbook_and_top_page_is_linked_from_somewhere() -> None:
    linked = {
        (page.parent / LINK.fullmatch(link)[1].split("#")[0]).resolve()  # type: ignore[index]
        for page, link in _found(LINK)
    }
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "runbooks").glob("*.md")]
    assert [str(page.relative_to(ROOT)) for page in pages if page.resolve() not in linked] == []
