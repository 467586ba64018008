"""Finds what people read in templates and in Python and what does not go through gettext."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

MARK = "\x01"  # where a template tag or a variable stands
READ_ATTRIBUTES = frozenset({"aria-label", "title", "placeholder", "alt"})
NOT_PROSE = frozenset({"code", "script", "style", "kbd"})
LOGGING = frozenset({"getLogger", "get_logger"})
BRAND = "Formulary"
GETTEXT = frozenset(
    # ``counted`` looks its nouns up itself; the test of nouns sees that they are known.
    {
        "counted",
        "_",
        "gettext",
        "gettext_lazy",
        "gettext_noop",
        "ngettext",
        "ngettext_lazy",
        "pgettext",
    }
)
_TRANSLATED = re.compile(
    r"{%\s*(?:blocktranslate|blocktrans)\b.*?{%\s*end(?:blocktranslate|blocktrans)\s*%}"
    r"|{%\s*comment\b.*?{%\s*endcomment\s*%}",
    re.DOTALL,
)
_TOKEN = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
# Texts that a tag or a filter shows.
_SHOWN_BY_TAG = re.compile(
    r"""\bchip\s+"(?P<chip>[^"]*)"|\bdigest\s+\S+\s+"(?P<digest>[^"]*)"|\bdefault(?:_if_none)?:"(?P<default>[^"]*)"
    |\b(?:text|title|name|caption)="(?P<given>[^"]*)"|\byesno:"(?P<yesno>[^"]*)\"""",
    re.VERBOSE,
)
_NO_PROSE = re.compile(r"<|[\w/.-]+; \w+=|\w+ \| None$|WITH RECURSIVE|event: |attachment; ")
_WORDS = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Bare:
    """A text that is not translated, and its line."""

    line: int
    text: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Bare] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # An icon is written as the name of its glyph.
        if tag in NOT_PROSE or ("class", "fm-icon") in attrs:
            self._inside.append(tag)
        for name, value in attrs:
            if name in READ_ATTRIBUTES and value:
                self._look(value)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self._look(data)

    def _look(self, text: str) -> None:
        line = self.getpos()[0]
        for part in text.split(MARK):
            if _WORDS.search(part) and part.strip(" |") != BRAND:
                self.found.append(Bare(line, " ".join(part.split())))


def in_template(source: str) -> list[Bare]:
    """Texts of a template outside of ``translate`` and ``blocktranslate``."""

    def marked(found: re.Match[str]) -> str:
        return MARK + "\n" * found[0].count("\n")

    rest = _TRANSLATED.sub(marked, source)
    shown = []
    for token in _TOKEN.finditer(rest):
        if re.match(r"{%\s*trans(late)?\b", token[0]):
            continue
        for found in _SHOWN_BY_TAG.finditer(token[0]):
            text = next((value for value in found.groups() if value), "")
            if _WORDS.search(text):
                shown.append(Bare(rest.count("\n", 0, token.start()) + 1, text))
    reader = _Reader()
    reader.feed(_TOKEN.sub(marked, rest))
    reader.close()
    return [*reader.found, *shown]


def in_python(source: str) -> list[Bare]:
    """Sentences of a module (texts of at least two words) outside of gettext and docstrings."""
    tree = ast.parse(source)
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in GETTEXT:
            skipped.update(ast.walk(node))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr) and not _is_prose(_text(node)):
            skipped.update(ast.walk(node))
        if isinstance(node, ast.Assert) or _name(getattr(node, "func", node)) in LOGGING:
            skipped.update(ast.walk(node))
    return sorted(_bare(tree, skipped), key=lambda bare: bare.line)


def _bare(tree: ast.AST, skipped: set[ast.AST]) -> Iterator[Bare]:
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in node.values}  # fmt: skip
    for node in ast.walk(tree):
        if node in skipped or node in parts:
            continue
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            text = _text(node)
            if _is_prose(text):
                yield Bare(node.lineno, text)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr)
    values = (part.value if isinstance(part, ast.Constant) else MARK for part in node.values)
    return "".join(str(value) for value in values)


def _is_prose(text: str) -> bool:
    """Two words or more that are no markup, no query, no type and no header."""
    if _NO_PROSE.match(text.strip()):
        return False
    return len(_WORDS.findall(text)) >= 2 and " " in text.strip()


def _name(function: ast.AST) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""
