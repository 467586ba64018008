"""The contract's page, its OpenAPI description and its modules are what they say."""

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from rest_framework.test import APIClient

from config.accounts.roles import Role
from deliveries.api import manager_urls
from deliveries.models import Composition, DeliveryJob, LoraEntry
from serving.domain.health import Component, Status
from serving.health import answers
from serving.health.measuring import Measured
from tests.architecture import environment
from tests.deliveries.manager.conftest import Register
from tests.factories import accounts
from tests.factories.health import measured_anew
from tests.factories.reference import reference

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "contracts" / "lora-manager.md").read_text()
API = ROOT / "deliveries" / "api"
SCHEMA = reference()
WRITING = {"save", "create", "bulk_create", "update", "delete", "get_or_create"}


@pytest.mark.django_db(transaction=True)
def test_the_quick_start_runs_as_it_is_written_L62_L63(live_server: Any, loras: Path) -> None:
    """Every request of the page, with curl, over a socket, at the root."""
    assert environment.defaults_in_code()["PORT"] == "8000"
    assert "FORMULARY=http://127.0.0.1:8000" in PAGE
    (loras / "anime.safetensors").write_bytes(b"weights")
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.S)
    assert len(blocks) == 2
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "FORMULARY": live_server.url,
            "LORAS": str(loras),
            "TOKEN": accounts.token_text(accounts.user(Role.ML_ENGINEER)),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert '"status": "ok"' in ended.stdout
    assert '"prompt":"a portrait, <lora:anime:0.750> soft light"' in ended.stdout
    assert "a portrait, <lora:anime:0.750> soft light" in PAGE
    assert '"prompt":"<lora:anime:0.750> soft light"' in ended.stdout
    entry = LoraEntry.objects.get()
    assert (entry.weight, entry.is_compose_active) == (0.5, False)
    assert entry.deleted_at is not None
    assert Composition.objects.count() == 2
    assert DeliveryJob.objects.get().state == "pending"


def _requests() -> set[tuple[str, str]]:
    """(method, path) of everything that the contract's urls answer."""
    found = set()
    for pattern in manager_urls.urlpatterns:
        path = "/" + str(pattern.pattern).replace("<uuid:uuid>", "{id}")
        view = getattr(pattern.callback, "cls", None)
        names = ("get", "post", "put", "patch", "delete")
        methods = [name for name in names if hasattr(view, name)] if view else ["get"]
        found |= {(method.upper(), path) for method in methods}
    return found


def test_the_page_lists_every_request_and_no_other_L64() -> None:
    rows = set(re.findall(r"^\| `(GET|POST|PUT|PATCH|DELETE) (/[^`]*)` \|", PAGE, re.M))
    assert rows == _requests()
    assert len(rows) == 11


@pytest.mark.django_db
def test_the_examples_of_the_openapi_document_work_L65(client: APIClient, loras: Path) -> None:
    def example(path: str) -> Any:
        media = SCHEMA["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        [found] = media["examples"].values()
        return dict(found["value"])  # others read the reference too

    (loras / "anime.safetensors").write_bytes(b"weights")
    registering = example("/adapters")
    registering["file_path"] = registering["file_path"].replace("/data/loras", str(loras))
    made = client.post("/adapters", registering)
    assert made.status_code == 201, made.content
    activated = client.post(f"/adapters/{made.json()['adapter']['id']}/activate")
    assert activated.status_code == 200
    composed = client.post("/compose", example("/compose"))
    assert composed.json()["prompt"] == "a portrait, <lora:anime:0.750> soft light"
    assert client.get("/adapters").json()["total"] == 1


def test_the_page_for_developers_names_every_module_L66() -> None:
    part = PAGE.partition("## For developers")[2]
    named = set(re.findall(r"`(deliveries/[\w/]+\.py)`", part))
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []
    folders = ("domain", "models", "selectors", "services")
    found = [path for folder in folders for path in (ROOT / "deliveries" / folder).glob("*.py")]
    found += [*(ROOT / "deliveries").glob("*.py"), *API.glob("manager_*.py")]
    # What the contract's page leaves to that of deliveries, and tables that every room has.
    others = re.compile(
        r"__init__|deliver|webhook|jobs|commands|modes|tallies|metrics|subscribers|tasks|errors"
        r"|states|apps|admin|manager_(base|health|serializers|urls)"
    )
    ours = {str(path.relative_to(ROOT)) for path in found if not others.search(path.name)}
    assert ours <= named, sorted(ours - named)


def _calls(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def test_services_hold_what_routers_only_ask_for_L68() -> None:
    """Validation, composition and jobs are services; a router neither writes nor queries."""
    for module, service in (
        ("manager_adapters", "entries"),
        ("manager_compose", "compositions"),
        ("manager_deliveries", "delivery_jobs"),
    ):
        path = API / f"{module}.py"
        assert re.search(
            rf"^from deliveries\.services import .*\b{service}\b", path.read_text(), re.M
        )
        assert ".objects" not in path.read_text()
        called = _calls(path) - {"delete", "update"}
        assert not called & WRITING, module
        assert (ROOT / "deliveries" / "services" / f"{service}.py").is_file()


def test_each_concern_has_a_small_router_of_its_own_L69() -> None:
    """The first word of a path says in which module whatever answers it stands, alone."""
    found: dict[str, set[str]] = {}
    for pattern in manager_urls.urlpatterns:
        concern = str(pattern.pattern).partition("/")[0]
        found.setdefault(concern, set()).add(pattern.callback.__module__)
    assert found == {
        "adapters": {"deliveries.api.manager_adapters"},
        "compose": {"deliveries.api.manager_compose"},
        "deliveries": {"deliveries.api.manager_deliveries"},
        "health": {"serving.api.open_paths"},
    }
    for [module] in found.values():
        lines = (ROOT / f"{module.replace('.', '/')}.py").read_text().splitlines()
        assert len(lines) <= 200, module


def test_generators_can_read_the_openapi_document_L70() -> None:
    """It is valid OpenAPI 3, each operation has a name of its own, and ours say their shapes."""
    validate(SCHEMA)
    names = [
        operation["operationId"]
        for operations in SCHEMA["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))
    for method, path in _requests() - {("GET", "/health")}:
        variable = next(key for key in SCHEMA["paths"] if re.sub(r"\{\w+\}", "{id}", key) == path)
        operation = SCHEMA["paths"][variable][method.lower()]
        good = next(status for status in operation["responses"] if status.startswith("2"))
        assert (
            good == "204" or operation["responses"][good]["content"]["application/json"]["schema"]
        )
        problem = operation["responses"]["400"]["content"]["application/problem+json"]["schema"]
        assert problem["$ref"].endswith("/ManagerProblem")


@pytest.mark.parametrize(
    ("state", "said", "status"),
    [
        (Status.HEALTHY, "ok", 200),
        (Status.DEGRADED, "ok", 200),
        (Status.UNHEALTHY, "unavailable", 503),
    ],
)
def test_health_says_ok_unless_nothing_can_be_done_L14(
    state: Status, said: str, status: int
) -> None:
    names = ("database", "storage")
    parts = {name: Component(name=name, status=state, detail="") for name in names}
    measured = Measured(components=parts)
    assert answers.short(measured)["status"] == said
    assert answers.status_code(measured) == status


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health", "/manager/health"])
def test_health_is_ok_while_work_can_be_done_L14(path: str) -> None:
    with measured_anew():  # how soon a part must answer is not asked here
        answer = APIClient().get(path)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["components"]["database"] == "healthy"
    assert APIClient().post(path).status_code == 405


@pytest.mark.django_db
def test_the_prompt_set_is_a_list_in_the_console(
    client: APIClient, register: Register, engineer: Any
) -> None:
    register("in-it", active=True)
    gone = register("not-any-more", active=True)
    client.delete(f"/manager/adapters/{gone['id']}")
    register("left-out")
    browser = APIClient()
    browser.force_login(engineer, backend="config.accounts.backends.RoleBackend")
    page = browser.get("/console/deliveries/loraentry/?is_compose_active__exact=1")
    text = page.content.decode()
    assert page.status_code == 200
    assert "In prompt set" in text and "in-it" in text
    assert "not-any-more" not in text and "left-out" not in text
