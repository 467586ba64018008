"""Compares what a gateway answers with what the tables allow; for tests that kill processes.

``disagreements(...)`` after each kill is the whole use of it. The tables are read with SQL of its
own, over a connection of its own: neither our selectors nor our models are asked.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import psycopg

# Within these seconds a gateway must follow the tables (it polls each second).
BOUNDS_SECONDS: Mapping[str, float] = {
    "stopped": 2.0,
    "not permitted": 5.0,
    "lease ended": 5.0,
    "not proven": 5.0,
    "not wanted": 5.0,
}
_SIDES = """
WITH side AS (
    SELECT d.public_name, d.base_model_id, r.version_id, r.digest
      FROM serving_deployment d JOIN serving_revision r ON r.id = d.stable_revision_id
     WHERE d.is_enabled
    UNION ALL
    SELECT d.public_name, d.base_model_id, r.version_id, r.digest
      FROM serving_rollout o
      JOIN serving_deployment d ON d.id = o.deployment_id
      JOIN serving_revision r ON r.id = o.to_revision_id
     WHERE d.is_enabled AND o.weight_percent > 0 AND o.state IN ('running', 'paused')
)
SELECT side.public_name,
       COALESCE(a.slug, b.slug) || '@' || left(side.digest, 12),
       EXISTS (SELECT FROM compliance_stop s
                WHERE s.digest = side.digest AND s.released_at IS NULL),
       side.version_id IS NULL OR EXISTS (
           SELECT FROM compliance_permission p
            WHERE p.version_id = side.version_id AND p.digest = side.digest
              AND p.purpose = 'serve' AND p.ended_at IS NULL),
       side.version_id IS NULL OR EXISTS (
           SELECT FROM compliance_permission p
            WHERE p.version_id = side.version_id AND p.purpose = 'serve' AND p.ended_at IS NULL
              AND p.renewed_at + p.ttl_seconds * interval '1 second' > now()),
       CASE WHEN side.version_id IS NULL THEN EXISTS (
           SELECT FROM serving_node n WHERE n.base_model_id = side.base_model_id
              AND n.is_enabled AND n.boot_id <> '')
       ELSE EXISTS (
           SELECT FROM serving_replica p JOIN serving_node n ON n.id = p.node_id
            WHERE p.version_id = side.version_id AND p.digest = side.digest AND p.state = 'ready'
              AND n.is_enabled AND n.boot_id <> '' AND p.proven_boot_id = n.boot_id)
       END
  FROM side
  JOIN registry_basemodel b ON b.id = side.base_model_id
  LEFT JOIN registry_version v ON v.id = side.version_id
  LEFT JOIN registry_adapter a ON a.id = v.adapter_id
"""
_NAMES = "SELECT public_name FROM serving_deployment WHERE is_enabled ORDER BY 1"


@dataclass(frozen=True)
class Answered:
    """What the gateway said: a status, and the version's runtime name where it answered."""

    status: int
    version: str


def standings(database_url: str) -> dict[str, dict[str, str]]:
    """Public name → runtime name of each wanted version → ``""`` when routable, else why not."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        found: dict[str, dict[str, str]] = {
            name: {} for (name,) in connection.execute(_NAMES).fetchall()
        }
        for name, version, is_stopped, is_permitted, is_leased, is_proven in connection.execute(
            _SIDES
        ).fetchall():
            found[name][version] = (
                "stopped"
                if is_stopped
                else "not permitted"
                if not is_permitted
                else "lease ended"
                if not is_leased
                else ""
                if is_proven
                else "not proven"
            )
    return found


def ask(http: httpx.Client, model: str) -> Answered:
    """One short answer of ``model``, or the refusal."""
    response = http.post(
        "/v1/chat/completions",
        json={"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]},
    )
    return Answered(response.status_code, response.headers.get("X-Formulary-Version", ""))


def wrong_answers(http: httpx.Client, database_url: str, *, samples: int = 2) -> dict[str, str]:
    """Sentence → reason of each answer that the tables allowed neither before nor after it."""
    wrong = {}
    for model in standings(database_url):
        for _ in range(samples):
            before = standings(database_url).get(model, {})
            given = ask(http, model)
            after = standings(database_url).get(model, {})
            if given.status != 200:
                continue
            reasons = [facts.get(given.version, "not wanted") for facts in (before, after)]
            if all(reasons):
                wrong[f"{model} was answered by {given.version}: {reasons[-1]}"] = reasons[-1]
    return wrong


def disagreements(*, url: str, token: str, database_url: str) -> list[str]:
    """Answers that went on to be given for longer than decisions allow after the tables said no.

    ``url``: of a gateway; ``token``: with the scope ``inference``. Returns within 7 s. A gateway
    that refuses, is away or cuts the connection gives no wrong answer.
    """
    waiter = threading.Event()
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as http:
        began = time.monotonic()
        while True:
            asked_after_seconds = time.monotonic() - began
            try:
                wrong = wrong_answers(http, database_url)
            except httpx.TransportError:
                return []
            late = [
                sentence
                for sentence, reason in wrong.items()
                if asked_after_seconds > BOUNDS_SECONDS[reason]
            ]
            if late or not wrong:
                return late
            waiter.wait(0.1)


def await_agreement(*, url: str, token: str, database_url: str, seconds: float = 30.0) -> None:
    """Wait until every name with a routable stable side answers; for the end of a kill test.

    Raises:
        AssertionError: naming what the gateway still refuses.
    """
    waiter, deadline, refused = threading.Event(), time.monotonic() + seconds, ["nothing asked yet"]
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as http:
        while refused:
            assert time.monotonic() < deadline, f"the gateway refuses still: {refused}"
            refused = []
            for model, sides in standings(database_url).items():
                if "" in sides.values() and (given := _status(http, model)) != 200:
                    refused.append(f"{model}: {given}")
            waiter.wait(0.1)


def _status(http: httpx.Client, model: str) -> int:
    try:
        return ask(http, model).status
    except httpx.TransportError:
        return 0
