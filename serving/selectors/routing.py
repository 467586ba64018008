"""What the gateways route by, read from the database at one moment."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from cryptography.fernet import InvalidToken
from django.db.models import F

from compliance.models import Epoch, Permission, Stop
from compliance.selectors.restores import is_held
from compliance.states import Purpose
from config.accounts.models import ApiToken, RoleGrant
from config.accounts.roles import Role, acts_of
from config.core import clock, keys
from config.core.digests import runtime_name
from serving.domain.contract import ContractInvalid, OutputContract
from serving.domain.routing import (
    Canary,
    DeploymentRoute,
    Lease,
    RoutingSnapshot,
    RoutingUnit,
    Target,
    TokenGrant,
    Upstream,
)
from serving.models import Deployment, Node, Replica, Revision, Rollout
from serving.states import ADVANCING_ROLLOUT_STATES, ReplicaState

log = structlog.get_logger(__name__)


def epochs() -> tuple[int, int]:
    """The counters (routing, stops) of which a change asks for a new snapshot."""
    found = Epoch.objects.values_list("routing", "stops").first()
    return found or (0, 0)


def build_snapshot() -> RoutingSnapshot:
    """Everything a gateway needs, in ten queries.

    The epochs are read first: what changes while the rest is read changes them again.
    """
    routing_epoch, stops_epoch = epochs()
    return RoutingSnapshot(
        routing_epoch=routing_epoch,
        stops_epoch=stops_epoch,
        deployments=_deployments(),
        upstreams=_upstreams(),
        leases=_leases(),
        stops=frozenset(Stop.objects.filter(released_at=None).values_list("digest", flat=True)),
        is_held=is_held(),
        tokens=_grants(_live_tokens()),
    )


def find_token(token_sha256: str) -> TokenGrant | None:
    """The live token with this SHA-256 hex, as one read from a snapshot would be."""
    return _grants(_live_tokens().filter(token_sha256=token_sha256)).get(token_sha256)


def _deployments() -> dict[str, DeploymentRoute]:
    deployments = Deployment.objects.filter(is_enabled=True).select_related(
        "base_model", "stable_revision__version__adapter"
    )
    rollouts = {
        rollout.deployment_id: rollout
        for rollout in Rollout.objects.filter(
            # One that rolls back or aborts gets no new answers.
            state__in=ADVANCING_ROLLOUT_STATES,
            weight_percent__gt=0,
        ).select_related("to_revision__version__adapter")
    }
    routes = {}
    for deployment in deployments:
        try:
            routes[deployment.public_name] = _route(deployment, rollouts.get(deployment.pk))
        except ContractInvalid:
            # One deployment that can't be judged must not take the others' routes away.
            log.exception("gateway.contract_invalid", deployment=deployment.public_name)
    return routes


def _route(deployment: Deployment, rollout: Rollout | None) -> DeploymentRoute:
    policy = deployment.policy
    canary = None
    if rollout is not None:
        canary = Canary(
            target=_target(deployment, rollout.to_revision),
            rollout_pk=rollout.pk,
            rollout_uuid=str(rollout.uuid),
            stage=rollout.stage,
            weight_percent=rollout.weight_percent,
        )
    stable = deployment.stable_revision
    return DeploymentRoute(
        pk=deployment.pk,
        public_name=deployment.public_name,
        stable=None if stable is None else _target(deployment, stable),
        canary=canary,
        contract=OutputContract.from_json(deployment.output_contract),
        routing_unit=(
            RoutingUnit.UNIT if policy.get("routing_unit") == "unit" else RoutingUnit.ANSWER
        ),
        serves_without_control=_serves_without_control(policy),
        created_at=deployment.stable_since or deployment.created_at,
    )


def _serves_without_control(policy: Mapping[str, Any]) -> bool:
    return policy.get("when_control_is_away", "serve") != "refuse"


def _target(deployment: Deployment, revision: Revision) -> Target:
    base, version = deployment.base_model, revision.version
    if version is None:
        return Target(
            version_pk=0,
            name=runtime_name(base.slug, base.digest),
            digest=base.digest,
            base_model_pk=base.pk,
        )
    return Target(
        version_pk=version.pk,
        name=version.runtime_name,
        digest=version.digest,
        base_model_pk=base.pk,
    )


def _upstreams() -> dict[str, tuple[Upstream, ...]]:
    """Nodes by ``Target.key``: proven replicas, and for each base the nodes that have booted."""
    nodes: dict[int, Upstream] = {}
    found: defaultdict[str, list[Upstream]] = defaultdict(list)
    for node in Node.objects.filter(is_enabled=True).exclude(boot_id=""):
        try:
            secret = keys.decrypt(bytes(node.secret_encrypted))
        except InvalidToken:
            log.exception("gateway.secret_unreadable", node=node.name)
            continue
        nodes[node.pk] = Upstream(node=node.name, url=node.url.rstrip("/"), secret=secret)
        found[f"base:{node.base_model_id}"].append(nodes[node.pk])
    replicas = Replica.objects.filter(
        state=ReplicaState.READY, proven_boot_id=F("node__boot_id")
    ).values_list("node_id", "version_id")
    for node_pk, version_pk in replicas:
        if node_pk in nodes:
            found[f"version:{version_pk}"].append(nodes[node_pk])
    return {key: tuple(upstreams) for key, upstreams in found.items()}


def _leases() -> dict[int, Lease]:
    rows = Permission.objects.filter(purpose=Purpose.SERVE, ended_at=None).values_list(
        "version_id", "pk", "lease_sequence", "ttl_seconds", "renewed_at"
    )
    now = clock.now()
    return {
        version_pk: Lease(pk, sequence, ttl_seconds, (now - renewed_at).total_seconds())
        for version_pk, pk, sequence, ttl_seconds, renewed_at in rows
    }


def _live_tokens() -> Any:
    return ApiToken.objects.filter(
        revoked_at=None, expires_at__gt=clock.now(), user__is_active=True, node_name=""
    ).select_related("user")


def _grants(tokens: Iterable[ApiToken]) -> dict[str, TokenGrant]:
    tokens = list(tokens)
    roles: defaultdict[int, set[Role]] = defaultdict(set)
    held = RoleGrant.objects.filter(
        ended_at=None, user_id__in={token.user_id for token in tokens}
    ).values_list("user_id", "role")
    for user_pk, role in held:
        roles[user_pk].add(Role(role))
    return {
        token.token_sha256: TokenGrant(
            user_pk=token.user_id,
            username=token.user.get_username(),
            person_pk=token.user.person_id,
            name=token.name,
            prefix=token.prefix,
            scopes=frozenset(token.scopes)
            & {str(a) for a in acts_of(frozenset(roles[token.user_id]))},
            expires_at=token.expires_at,
        )
        for token in tokens
    }
