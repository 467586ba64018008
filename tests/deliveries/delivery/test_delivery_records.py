"""What the console shows of deliveries and webhooks: states and times, no texts, no secrets."""

import re
from typing import Any

import pytest
from django.test import Client

from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from deliveries.models import DeliveryJob
from deliveries.services import delivery_jobs, webhooks
from tests.deliveries.delivery.receiver import Receiver
from tests.factories import accounts

pytestmark = pytest.mark.django_db
PROMPT = "calm, Ms Example"


@pytest.mark.parametrize("name", ["deliveryjob", "deliveryattempt", "webhookendpoint"])
def test_the_console_lists_and_shows_them_without_texts(receiver: Receiver, name: str) -> None:
    viewer = accounts.user(Role.OPERATOR)
    actor: Any = actor_of(viewer)
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    assert delivery_jobs.run(job_id=job.pk)
    endpoint, secret = webhooks.create(
        url=f"{receiver.url}/hidden-path", events=["stop.issued"], user=viewer, actor=actor
    )
    rows = {
        "deliveryjob": job,
        "deliveryattempt": DeliveryJob.objects.get().attempts.get(),
        "webhookendpoint": endpoint,
    }
    client = Client()
    client.force_login(viewer)
    base = f"/console/deliveries/{name}/"
    for path in (base, f"{base}{rows[name].pk}/change/"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        page = answer.content.decode()
        for hidden in ("Ms Example", "hidden-path", secret, "gAAAA"):
            assert hidden not in page
        # As a number of its own: five digits may stand within another one.
        assert not re.search(rf"\b{receiver.port}\b", page)
    assert client.post(f"{base}add/", {}).status_code == 403
