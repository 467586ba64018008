"""Everything that people read goes through gettext: looked for in the sources, and proven."""

import ast
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from django.utils.translation.template import templatize

from config.console.words import NOUNS
from tests.factories import console

from .texts import in_python, in_template

ROOT = Path(__file__).resolve().parent.parent.parent
CONSOLE = ROOT / "config" / "console"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MODULES = sorted(
    [
        *(CONSOLE / "views").glob("*.py"),
        *(CONSOLE / "selectors").glob("*.py"),
        *(CONSOLE / name for name in ("access.py", "sites.py", "unfold.py", "words.py")),
        *(CONSOLE / name for name in ("audit_words.py", "verdicts.py")),
        ROOT / "config" / "accounts" / "forms.py",
    ]
)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_show_no_text_that_is_not_translated(path):
    assert in_template(path.read_text()) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_views_words_and_forms_say_nothing_that_is_not_translated(path):
    assert in_python(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hello there</p>", ["Hello there"]),
        ("<p>{% translate 'Hello there' %}</p>", []),
        ("<p>{% blocktranslate %}{{ n }} answers{% endblocktranslate %}</p>", []),
        ("<p>{{ n }} answers</p>", ["answers"]),
        ('<a aria-label="Go on" class="fm-button">{{ x }}</a>', ["Go on"]),
        ('{% chip "too few" "help" %}{{ x|default:"none here" }}', ["too few", "none here"]),
        ('{% chip _("too few") "help" %}<code>serve_node</code> · 5 %', []),
        ('<option{% if a == "some word" %} selected{% endif %}>{{ a }}</option>', []),
    ],
)
def test_bare_texts_are_found(source, found):
    assert [bare.text for bare in in_template(source)] == found


def test_bare_sentences_are_found_in_python():
    source = '''"""A module that says something."""
title = "Nothing here"
said = f"{name} is stored"
kept = _("%(name)s is stored") % {"name": name}
path = f"admin:{name}"
'''
    assert [bare.line for bare in in_python(source)] == [2, 3]


def test_every_noun_that_is_counted_has_its_plural():
    known = {(noun % 1, noun % 2) for noun in NOUNS}
    for path in CONSOLE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or ast.unparse(node.func).split(".")[-1] != "counted":
                continue
            words = [part.value for part in node.args[1:] if isinstance(part, ast.Constant)]
            if words:
                pair = (words[0], words[1] if len(words) > 1 else f"{words[0]}s")
                assert pair in known, f"{path}: {pair} is not in words.NOUNS"


class _Shown(HTMLParser):
    """The texts that a page shows."""

    def __init__(self):
        super().__init__()
        self.texts, self._hidden = [], []

    def handle_starttag(self, tag, attrs):
        is_icon = "fm-icon" in (dict(attrs).get("class") or "").split()
        if tag in {"script", "style", "code", "kbd"} or is_icon:
            self._hidden.append(tag)

    def handle_endtag(self, tag):
        if self._hidden and self._hidden[-1] == tag:
            self._hidden.pop()

    def handle_data(self, data):
        if not self._hidden and data.strip():
            self.texts.append(" ".join(data.split()))


KEYWORDS = DEFAULT_KEYWORDS | {"gettext_lazy": None, "gettext_noop": None, "ngettext_lazy": (1, 2)}


def _as_python(template: str) -> str:
    """The calls of gettext that a template's tags stand for, without the indentation around."""
    return "\n".join(line.strip() for line in templatize(template).splitlines())


def _in_brackets() -> Catalog:
    """Every text of the product that gettext can find, each translated into itself in brackets."""
    catalog = Catalog(locale="de")
    sources = [*(ROOT / "config").rglob("*.py"), *(ROOT / "templates").rglob("*.html")]
    for path in sources:
        text = path.read_text()
        code = _as_python(text) if path.suffix == ".html" else text
        for _line, found, _comments, context in extract("python", BytesIO(code.encode()), KEYWORDS):
            forms = found if isinstance(found, tuple) else (found,)
            shown = tuple(f"[[{form}]]" for form in forms)
            catalog.add(found, shown if len(forms) > 1 else shown[0], context=context)
    return catalog


@pytest.fixture
def brackets(tmp_path, settings):
    """A language in which every text of ours stands in brackets, from a catalogue just made."""
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "django.mo").open("wb") as file:
        write_mo(file, _in_brackets())
    return folder


@pytest.mark.django_db(transaction=True)
def test_pages_come_in_another_language_whole(world, as_user, brackets):
    adults = console.evaluation_set(world, name="adults", size=40, level="adult")
    versions = [console.version(world, name=name) for name in ("v1", "v2")]
    runs = [console.evaluate(world, version, adults, right=36) for version in versions]
    console.deployment(world, stable=versions[0])
    client = as_user(world.reviewer)
    # Names of things and people, and what the policy's checks wrote down when they ran.
    data = re.compile(
        r"Triage assistant|adults 1|Example|Formulary|^v[12]$|^age group|torch-1|^ben$|^triage$"
        # A digit format, the inside of a translated sentence, and the package's own words.
        r"|UTC\)$|^[+-][\d.]+ points$|[qv]_proj|^F32$|kB$|bytes$|^same$"
    )
    for path in (
        "/console/playground/",
        f"/console/evaluations/{runs[1].uuid}/?show=newly_wrong",
        "/console/compare/?a=triage@v1&b=triage@v2",
        "/console/compare/",
    ):
        answer = client.get(path, headers={"Accept-Language": "de"})
        reader = _Shown()
        reader.feed(answer.content.decode())
        assert sum("[[" in text for text in reader.texts) > 15
        bare = [
            text
            for text in reader.texts
            if "[[" not in text and "]]" not in text and re.search(r"[^\W\d_]{3,}", text)
            and not data.search(text)
        ]  # fmt: skip
        assert bare == [], path
