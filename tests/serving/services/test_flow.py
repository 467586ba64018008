"""The main job's serving half with real workers: promoted under traffic, then rolled back."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis
from django.conf import settings
from django.db import connection

from compliance.models import AuditEvent
from config.accounts.selectors import actor_of
from serving.domain.contract import OutputContract
from serving.gateway.gateway import Gateway
from serving.gateway.limits import Limits
from serving.models import Deployment, Rollout
from serving.services import rollouts
from serving.states import OPEN_ROLLOUT_STATES
from tests.factories import compliance as judge
from tests.factories import gateway as servers
from tests.factories.serving import SECRET, House

CONTRACT = {"max_tokens": 6, "pattern": "routine|soon|urgent", "stop_reasons": ["stop"]}
LONG = "long " * 30


@contextmanager
def stack_of_processes(house: House, logs: Path) -> Iterator[None]:
    """Gateway, control loop, beat, and workers for all queues, as real processes."""
    from config.asgi import Application, _django

    redis.from_url(settings.REDIS_URL).flushdb()
    values = connection.settings_dict
    with ExitStack() as stack:
        app = Application(_django, Gateway(Limits(poll_seconds=0.1)))  # type: ignore[arg-type]
        house.api_url = stack.enter_context(servers.served(app))
        env = {
            **os.environ,
            "DATABASE_URL": f"postgres://{values['USER']}:{values['PASSWORD']}"
            f"@{values['HOST']}:{values['PORT']}/{values['NAME']}",
            "FORMULARY_URL": house.api_url,
            "FORMULARY_AGENT_TOKEN": house.node.token,
            "FORMULARY_NODE_URL": house.node.url,
            "FORMULARY_NODE_SECRET": SECRET,
        }
        celery = [sys.executable, "-m", "celery", "-A", "config.celery"]
        queues = f"control,checks,evaluations,deliveries,{house.node.row.queue}"
        processes = []
        for name, command in (
            ("control", [sys.executable, "manage.py", "run_control"]),
            ("worker", [*celery, "worker", "-Q", queues, "-c", "2", "-l", "WARNING",
                        "--without-gossip", "--without-mingle"]),
            ("beat", [*celery, "beat", "-l", "WARNING", "--schedule", str(logs / "beat"),
                      "--pidfile", ""]),
        ):  # fmt: skip
            log = stack.enter_context((logs / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=env, stdout=log, stderr=log
            )
            stack.callback(process.wait, 60)
            processes.append(process)
        # The last that is called back comes first: all are told to end before one is waited for.
        for process in processes:
            stack.callback(process.terminate)
        yield


class Clients:
    """Programs that ask, check the form of each answer, and report wrong ones."""

    def __init__(self, url: str, model: str, count: int = 4) -> None:
        self.url, self.model, self.token = url, model, servers.token()
        self.answered, self.wrong, self.failures = 0, 0, []  # type: ignore[var-annotated]
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(count)
        ]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self, number: int) -> None:
        head = {"Authorization": f"Bearer {self.token}"}
        contract = OutputContract.from_json(CONTRACT)
        assert contract is not None and contract.pattern is not None
        with httpx.Client(base_url=self.url, headers=head, timeout=20) as http:
            index = number
            while not self._ending.is_set():
                index += 7
                right = judge.CLASSES[index % 3]
                text = f"note {index} {LONG if index % 5 == 0 else ''}{right}"
                answer = http.post(
                    "/v1/chat/completions",
                    json={"model": self.model, "messages": [{"role": "user", "content": text}]},
                )
                with self._lock:
                    self.answered += 1
                if answer.status_code != 200:
                    self.failures.append((answer.status_code, answer.json()))
                    continue
                said = answer.json()["choices"][0]["message"]["content"]
                if not contract.pattern.fullmatch(said):
                    self.failures.append((200, "a broken form reached a client"))
                elif said != right:
                    self.wrong += 1
                    http.post(
                        "/v1/feedback",
                        json={
                            "answer_id": answer.headers["x-formulary-answer"],
                            "verdict": "bad",
                            "category": "wrong",
                        },
                    ).raise_for_status()


def is_answered(url: str, model: str) -> bool:
    answer = httpx.post(
        f"{url}/v1/chat/completions",
        json={"model": model, "messages": [{"role": "user", "content": "note routine"}]},
        headers={"Authorization": f"Bearer {servers.token()}"},
        timeout=20,
    )
    return answer.status_code == 200


def approved(house: House, sets: list[Any], **script: Any) -> Any:
    made = house.version(script=script, evaluated_on=sets, is_permitted=False)
    judge.approved(made)
    return made


def test_promoted_under_traffic_then_rolled_back_by_its_analysis_M23_M27_M28(
    house: House, tmp_path: Path
) -> None:
    sets = [house.evaluation_set(given=judge.items(120))]
    fair_rules = [
        {"contains": word, "answer": "soon" if word == "routine" else word}
        for word in judge.CLASSES
    ]
    fair = approved(house, sets, rules=fair_rules)
    better = approved(house, sets)
    right_rules = [{"contains": word, "answer": word} for word in judge.CLASSES]
    broken = approved(
        house, sets, rules=[{"contains": "long", "answer": "I think it is soon"}, *right_rules]
    )
    deployment = house.deployment(output_contract=CONTRACT)

    def over(rollout: Rollout) -> Rollout:
        servers.until(
            lambda: not Rollout.objects.filter(pk=rollout.pk, state__in=OPEN_ROLLOUT_STATES)
            .exists(),
            seconds=240,
        )  # fmt: skip
        rollout.refresh_from_db()
        return rollout

    def start(version: Any) -> Rollout:
        return rollouts.start(
            deployment=Deployment.objects.get(pk=deployment.pk),
            version=version,
            user=house.operator,
            actor=actor_of(house.operator),
        )

    # All versions are approved before workers live that would take the same check runs.
    with stack_of_processes(house, tmp_path):
        first = over(start(fair))
        assert first.state == "promoted", first.reason
        # Gateways follow a commit within a second: the first answer is waited for.
        servers.until(lambda: is_answered(house.api_url, deployment.public_name), seconds=60)
        with Clients(house.api_url, deployment.public_name) as clients:
            second = over(start(better))
            assert second.state == "promoted", (second.state, second.reason, second.paused_reason)
            third = over(start(broken))
            assert (third.state, third.trigger) == ("rolled_back", "contract_broken"), third.reason
    assert clients.failures == []
    assert clients.answered > 300 and clients.wrong > 0
    deployment.refresh_from_db()
    assert deployment.stable_revision is not None
    assert deployment.stable_revision.version == better
    for rollout in (first, second, third):
        events = AuditEvent.objects.filter(object_id=str(rollout.uuid))
        for action in ("rollout.started", "rollout.promoted", "rollout.rolled_back"):
            assert events.filter(action=action).count() <= 1
