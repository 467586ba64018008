"""Every list, in the console and in the API, asks as often for 2,000 rows as for 50."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.accounts.roles import Role
from registry.models import Version
from serving.models import Deployment
from tests.factories import accounts, console, many

pytestmark = pytest.mark.django_db
FEW, MANY = 50, 2000
LISTS = (
    "/console/",
    "/console/adapters/",
    "/console/adapters/?q=children+are+named",
    "/console/adapters/?state=blocked",
    "/console/versions/",
    "/console/versions/?q=v1&state=blocked",
    "/console/approval-requests/",
    "/console/approval-requests/?state=open",
    "/console/deployments/",
    "/console/deployments/?state=live&q=name",
    "/console/rollouts/",
    "/console/rollouts/?state=open&q=line",
    "/console/nodes/",
    "/console/audit/",
    "/console/audit/?action=version.submitted&actor=somebody",
    "/api/v1/adapters",
    "/api/v1/base-models",
    "/api/v1/checks",
    "/api/v1/evaluation-sets",
    "/api/v1/evaluations",
    "/api/v1/approval-requests",
    "/api/v1/permissions",
    "/api/v1/stops",
    "/api/v1/deployments",
    "/api/v1/rollouts",
    "/api/v1/nodes",
    "/api/v1/replicas",
    "/api/v1/audit",
)


def _queries(client, path):
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200, path
    return len(seen)


@pytest.mark.usefixtures("held_clock")
def test_lists_ask_a_fixed_number_of_times(as_user):
    world = console.world()
    user = accounts.user(*Role, username="all", of=accounts.person("All Roles"))
    base_model = world.adapter.base_model
    first = many.house(FEW, base_model=base_model, user=user, events=FEW)
    client = as_user(user)
    name = Deployment.objects.order_by("pk").values_list("public_name", flat=True)[0]
    slug = first[0].adapter.slug
    paths = (
        *LISTS,
        f"/console/deployments/{name}/",
        f"/console/adapters/{slug}/",
        f"/console/versions/{first[0].uuid}/",
        f"/api/v1/adapters/{slug}/versions",
    )
    client.get("/console/")  # what is read once and kept
    before = {path: _queries(client, path) for path in paths}
    many.house(MANY - FEW, base_model=base_model, user=user, events=MANY - FEW)
    more = Version.objects.exclude(adapter=first[0].adapter)[:200]
    for number, version in enumerate(more, start=10_000):
        version.adapter, version.number, version.version_name = (
            first[0].adapter,
            number,
            f"w{number}",
        )
    Version.objects.bulk_update(more, ["adapter", "number", "version_name"])
    many.answers(Deployment.objects.get(public_name=name), MANY)
    after = {path: _queries(client, path) for path in paths}
    assert after == before
    assert max(after.values()) <= 60
