"""First byte of every list page with 10,000 versions and 200,000 audit events in PostgreSQL.

Starts an embedded PostgreSQL and Valkey, fills them, starts the web process as the stack does and
asks it as a signed-in browser (console) and with a token (REST). Checks first that the pages show
the right rows and that the number of queries is the same for a tenth of the rows.

    python -m bench.list_pages --versions 10000 --events 200000 --repeats 20
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOAL_MS = 300.0
SIZE = 50
ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "/console/",
    "/console/adapters/",
    "/console/adapters/?q=line-1",
    "/console/adapters/?q=children+are+named",
    "/console/adapters/?state=blocked",
    "/console/versions/",
    "/console/versions/?q=v11",
    "/console/versions/?state=blocked",
    "/console/versions/?state=stopped",
    "/console/approval-requests/?state=open",
    "/console/deployments/",
    "/console/rollouts/",
    "/console/nodes/",
    "/console/audit/",
    "/console/audit/?action=version.submitted",
    "/console/audit/?actor=somebody&object_type=version",
    "/console/audit/?since=2020-01-01&until=2020-02-01",
    "/api/v1/adapters",
    "/api/v1/adapters/{slug}/versions",
    "/api/v1/checks",
    "/api/v1/approval-requests",
    "/api/v1/permissions",
    "/api/v1/deployments",
    "/api/v1/rollouts",
    "/api/v1/replicas",
    "/api/v1/audit",
    "/api/v1/audit?action=version.submitted",
)


@contextlib.contextmanager
def services(home: Path) -> Iterator[None]:
    """PostgreSQL and Valkey of their own, named in the environment."""
    from config.stack.postgres import Postgres
    from config.stack.valkey import Valkey

    postgres, valkey = Postgres(home / "postgres"), Valkey(home / "valkey")
    try:
        os.environ["DATABASE_URL"] = postgres.start()
        os.environ["REDIS_URL"] = valkey.start()
        os.environ["FORMULARY_HOME"] = str(home / "state")
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        yield
    finally:
        valkey.stop()
        postgres.stop()


@contextlib.contextmanager
def web() -> Iterator[int]:
    """The web process; gives its port once it answers."""
    from config.stack.ports import free_port
    from config.stack.processes import die_with_parent

    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1",
            "--port", str(port), "--lifespan", "on", "--no-access-log", "--log-level", "warning",
        ],
        cwd=ROOT,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - it only makes system calls
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/accounts/login/", timeout=2)
                break
            except (urllib.error.URLError, OSError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the web process did not answer") from None
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def first_byte_ms(port: int, path: str, headers: dict[str, str]) -> float:
    """From sending the request until the first byte of a good answer's body."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    line.request("GET", path, headers=headers)
    answer = line.getresponse()
    answer.read(1)
    took = 1000 * (time.perf_counter() - began)
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}: {answer.read()[:500]!r}")
    answer.read()
    line.close()
    return took


def count_queries(client: Any, paths: list[str]) -> dict[str, int]:
    """Queries of each page, asked inside this process."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    found = {}
    for path in paths:
        with CaptureQueriesContext(connection) as seen:
            answer = client.get(path)
        if answer.status_code != 200:
            raise SystemExit(f"{path} answered {answer.status_code}")
        found[path] = len(seen)
    return found


def scans(client: Any, paths: list[str]) -> list[str]:
    """Which statements of which pages read a large table from end to end, by EXPLAIN."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    found = []
    for path in paths:
        with CaptureQueriesContext(connection) as seen:
            client.get(path)
        statements = [row["sql"] for row in seen if row["sql"].lstrip().startswith("SELECT")]
        for sql in statements:
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql.replace("%", "%%"), [])
                plan = json.loads(json.dumps(cursor.fetchone()[0]))[0]
            found += [
                f"{path}: {node['Relation Name']} {node['Actual Rows']:.0f} rows, "
                f"{plan['Execution Time']:.1f} ms"
                for node in _nodes(plan["Plan"])
                if node["Node Type"] == "Seq Scan"
                and node["Actual Rows"] + node.get("Rows Removed by Filter", 0) > 2000
            ]
    return found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def check_parity(client: Any) -> None:
    """Three pages of versions and of events hold the newest rows, each once and in order."""
    from compliance.models import AuditEvent
    from registry.models import Version

    newest: dict[str, tuple[Any, str, str]] = {
        "/console/versions/": (Version, "uuid", r'href="/console/versions/([0-9a-f-]{36})/"'),
        "/console/audit/": (
            AuditEvent,
            "event_hash",
            r'data-copy="([0-9a-f]{64})" aria-label="[^"]*event hash',
        ),
    }
    for path, (model, field, pattern) in newest.items():
        wanted = model.objects.exclude(**{field: ""}) if field == "event_hash" else model.objects
        rows = wanted.order_by("-pk").values_list(field, flat=True)[: 3 * SIZE]
        shown: list[str] = []
        query = ""
        for _ in range(3):
            text = client.get(f"{path}?{query}").content.decode()
            shown += re.findall(pattern, text)
            query = re.findall(r'href="\?([^"]*before=\d+)"', text)[-1]
        if shown[: len(rows)] != [str(value) for value in rows]:
            raise SystemExit(f"{path} does not show the newest rows in order")


def main() -> None:
    """Fill, check, measure, print, and write ``bench/results/list_pages.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--explain", action="store_true", help="name what is read end to end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="formulary-bench-") as folder:
        Path(folder).chmod(0o755)
        with services(Path(folder)):
            measure(options)


def measure(options: argparse.Namespace) -> None:
    """Everything between the start of the servers and their end."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    call_command("migrate", interactive=False, verbosity=0)
    from config.accounts.roles import Role
    from registry.models import Version
    from tests.factories import accounts, many, registry

    user = accounts.user(*(set(Role) - {Role.NODE_AGENT}), username="bench")
    base_model = registry.adapter(owner=user).base_model
    few, began = options.versions // 10, time.monotonic()
    first = many.house(few, base_model=base_model, user=user, events=options.events // 10)
    paths = [path.format(slug=first[0].adapter.slug) for path in PAGES]
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user, backend="config.accounts.backends.RoleBackend")
    client.get("/console/")
    before = count_queries(client, paths)
    many.house(
        options.versions - few,
        base_model=base_model,
        user=user,
        events=options.events - options.events // 10,
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    after = count_queries(client, paths)
    if changed := {
        path: (before[path], after[path]) for path in paths if before[path] != after[path]
    }:
        raise SystemExit(f"the number of queries grows with the rows: {changed}")
    check_parity(client)
    print(
        f"{Version.objects.count():,} versions and {options.events:,} audit events in "
        f"{time.monotonic() - began:.0f} s; parity: right rows, as many queries as for a tenth."
    )
    if options.explain:
        print("\n".join(scans(client, paths)) or "nothing large is read end to end")
    cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    token = {"Authorization": f"Bearer {accounts.token_text(user)}"}
    rows = []
    with web() as port:
        for path in paths:
            headers = token if path.startswith("/api/") else cookie
            for _ in range(2):
                first_byte_ms(port, path, headers)
            took = sorted(first_byte_ms(port, path, headers) for _ in range(options.repeats))
            rows.append(
                {
                    "path": path,
                    "queries": after[path],
                    "p50_ms": round(statistics.median(took), 1),
                    "p95_ms": round(took[max(0, round(0.95 * len(took)) - 1)], 1),
                }
            )
    report(rows, options)


def report(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print the table and write it with what it was measured on."""
    print(f"\n| page | queries | p50 ms | p95 ms |\n|{'---|' * 4}")
    for row in rows:
        print(f"| `{row['path']}` | {row['queries']} | {row['p50_ms']} | {row['p95_ms']} |")
    slow = [row["path"] for row in rows if row["p95_ms"] >= GOAL_MS]
    print(f"\nfirst byte under {GOAL_MS:.0f} ms (p95): {len(rows) - len(slow)} of {len(rows)}")
    load = os.getloadavg()
    print(f"{os.cpu_count()} cores, load average {load[0]:.1f} {load[1]:.1f} {load[2]:.1f}")
    target = ROOT / "bench" / "results"
    target.mkdir(exist_ok=True)
    result = {
        "versions": options.versions,
        "events": options.events,
        "repeats": options.repeats,
        "pages": rows,
        "load_average": load,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }
    (target / "list_pages.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
