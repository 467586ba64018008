"""What the code reads from the environment, and what .env.example says of it.

``python -m tests.architecture.environment`` writes the tables of docs/configuration.md.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "configuration.md"
BEGIN, END = "<!-- from .env.example -->", "<!-- end -->"
READERS = {"str", "int", "bool", "float", "list", "json", "url", "db_url", "get", "getenv", "pop"}
OUTSIDE = {
    # Not ours: the system's, the build's, Django's and the libraries' own.
    "CI", "HOME", "PATH", "PYTHONPATH", "PYTEST_XDIST_WORKER", "DJANGO_SETTINGS_MODULE",
    "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "CUDA_VISIBLE_DEVICES", "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
}  # fmt: skip
OUR_OWN = re.compile(r"FORMULARY_[A-Z0-9_]+")
LINE = re.compile(r"(?P<comment># )?(?P<key>[A-Z][A-Z0-9_]*)=(?P<default>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of .env.example; ``has_default`` is false where a value must be given."""

    section: str
    key: str
    default: str
    has_default: bool
    meaning: str


def example() -> list[Setting]:
    """The settings of .env.example, in its order."""
    found: list[Setting] = []
    section, said = "", []
    for line in (ROOT / ".env.example").read_text().splitlines():
        if line.startswith("# --- "):
            section, said = line.removeprefix("# --- "), []
        elif match := LINE.fullmatch(line):
            found.append(
                Setting(
                    section=section,
                    key=match["key"],
                    default=match["default"],
                    has_default=bool(match["comment"]),
                    meaning=" ".join(said),
                )
            )
            said = []
        elif line.startswith("# "):
            said.append(line.removeprefix("# "))
    return found


def _sources() -> Iterator[Path]:
    for folder in ("config", "registry", "compliance", "serving", "deliveries", "demo"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def keys_read() -> dict[str, str]:
    """Key → a file that reads it: calls of ``env`` and ``os.environ``, and our own names."""
    found: dict[str, str] = {}
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            for key in _keys_of(node):
                found.setdefault(key, str(path.relative_to(ROOT)))
    return {key: where for key, where in found.items() if key not in OUTSIDE}


def _keys_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if OUR_OWN.fullmatch(node.value):
            yield node.value
        return
    argument: ast.expr | None = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        owner = ast.unparse(node.func.value)
        if node.func.attr in READERS and owner in {"env", "os", "os.environ"}:
            argument = node.args[0]
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
        argument = node.slice
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value


def defaults_in_code() -> dict[str, str]:
    """Key → its default in config/settings/ outside production, as .env.example writes it."""
    found = {}
    sources = sorted((ROOT / "config" / "settings").glob("*.py"))
    for node in (node for path in sources for node in ast.walk(ast.parse(path.read_text()))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env.")):
            continue
        for word in node.keywords:
            if word.arg == "default" and node.args and isinstance(node.args[0], ast.Constant):
                code = compile(ast.Expression(word.value), "settings.py", "eval")
                found[node.args[0].value] = _written(eval(code, {"IS_PRODUCTION": False}))
    return found


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def tables() -> str:
    """The tables of docs/configuration.md."""
    lines: list[str] = []
    section = None
    for setting in example():
        if setting.section != section:
            section = setting.section
            lines += ["", f"## {section}", "", "| key | default | meaning |", "|---|---|---|"]
        default = f"`{setting.default}`" if setting.default else "none"
        if not setting.has_default:
            default = "**must be given**"
        meaning = setting.meaning.replace("|", "\\|")
        lines.append(f"| `{setting.key}` | {default} | {meaning} |")
    return "\n".join(lines).strip("\n")


def written() -> str:
    """docs/configuration.md with its tables made anew."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{tables()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(written())
