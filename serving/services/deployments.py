"""Creates deployments and changes what they promise."""

import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from compliance.services import audit, epochs
from config.accounts.models import User
from config.accounts.roles import Act
from config.core.actors import Actor
from registry.models import Adapter, BaseModel
from serving.domain.contract import OutputContract
from serving.domain.policy import DeploymentPolicy
from serving.errors import DeploymentExists, DeploymentInvalid
from serving.models import Deployment
from serving.services import rights
from serving.states import Opening

PUBLIC_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?")
MAX_PATTERN_CHARS = 1000


def create(
    *,
    public_name: str,
    adapter: Adapter | None,
    base_model: BaseModel,
    user: User,
    actor: Actor,
    title: str = "",
    output_contract: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
    opened_as: Opening = Opening.DEPLOYMENT,
) -> Deployment:
    """Open a public name for an adapter, or (``adapter`` None) for the base itself.

    Nothing answers under it before a first version is rolled out.

    Raises:
        Forbidden: no role of the account may deploy.
        DeploymentInvalid: the name, or an adapter of another base.
        ContractInvalid, PolicyInvalid: naming the key.
        DeploymentExists: the name is taken.
    """
    rights.require(user=user, act=Act.DEPLOY)
    if not PUBLIC_NAME.fullmatch(public_name):
        raise DeploymentInvalid(
            f"{public_name[:100]!r} can't be a public name.",
            fix="Use lower-case letters, digits, dots, hyphens and underscores.",
        )
    if adapter is not None and adapter.base_model_id != base_model.pk:
        raise DeploymentInvalid(
            f"{adapter.ref} is made for {adapter.base_model.slug}, not for {base_model.slug}.",
            fix="Leave the base out, or choose an adapter of this base.",
        )
    contract = dict(output_contract or {})
    check_contract(contract)
    checked = DeploymentPolicy.from_json(policy or {})
    try:
        with transaction.atomic():
            deployment = Deployment.objects.create(
                public_name=public_name,
                title=title[:200],
                adapter=adapter,
                base_model=base_model,
                output_contract=contract,
                policy=checked.as_json(),
                opened_as=opened_as,
                created_by=user,
            )
            audit.record(
                action="deployment.created",
                actor=actor,
                object_type="deployment",
                object_id=str(deployment.uuid),
                object_rev=public_name,
                diff={
                    "adapter": [None, adapter.ref if adapter else None],
                    "base_model": [None, base_model.slug],
                    "output_contract": [None, _plain(contract)],
                    "policy": [None, _plain(deployment.policy)],
                    "opened_as": [None, str(opened_as)],
                },
            )
            epochs.bump_routing()
    except IntegrityError as error:
        raise DeploymentExists(
            f"{public_name} is taken.", fix="Choose another name, or roll out a version there."
        ) from error
    return deployment


def check_contract(value: Mapping[str, Any]) -> OutputContract | None:
    """The contract, typed; a pattern has to be one that can hold for an answer's whole text.

    Raises:
        ContractInvalid, DeploymentInvalid: naming the key.
    """
    pattern = value.get("pattern")
    if isinstance(pattern, str) and len(pattern) > MAX_PATTERN_CHARS:
        raise DeploymentInvalid(
            f"The pattern has {len(pattern)} characters.", fix=f"Use at most {MAX_PATTERN_CHARS}."
        )
    contract = OutputContract.from_json(value)
    compiled = contract.pattern if contract else None
    if compiled is not None and compiled.fullmatch("") is not None:
        raise DeploymentInvalid(
            "The pattern matches an empty answer, so it promises nothing.",
            fix="Write the pattern of a whole answer; it is matched from its first letter to its "
            "last.",
        )
    return contract


def _plain(value: Any) -> Any:
    """``value`` without floats, which canonical JSON has no one form for."""
    if isinstance(value, float):
        return format(value, "g")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
