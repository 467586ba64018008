"""From the medical system's ids to rows, and back."""

from django.db.models import QuerySet

from compliance.errors import NotPermitted
from compliance.selectors.checks import open_blockers
from compliance.selectors.permissions import open_serve_permission
from compliance.selectors.stops import is_stopped
from registry.models import Adapter, BaseModel, Version
from registry.selectors import adapter_by_ref, live_version, version_by_ref
from serving.lifecycle.errors import AdapterNotServed, MetadataInvalid
from serving.lifecycle.metadata import ref_of
from serving.models import Deployment, SelfDescription
from serving.selectors.deployments import deployments_of

_SHOWN = 5


def adapter_by_id(adapter_id: str, base: BaseModel) -> Adapter:
    """The adapter, which has to be one of this manager's base.

    Raises:
        RefInvalid, AdapterNotFound: as ``registry.selectors.adapter_by_ref``.
        MetadataInvalid: it is another base's.
    """
    row = adapter_by_ref(str(ref_of(adapter_id)))
    if row.base_model_id != base.pk:
        raise MetadataInvalid(
            f"{row.ref} is made for {row.base_model.slug}; this manager is of {base.slug}.",
            fix="Use a manager of the adapter's base.",
        )
    return row


def said_of(adapter: Adapter) -> dict[str, object]:
    """What a program said of an adapter; empty where none did."""
    row = SelfDescription.objects.filter(adapter=adapter, version=None).first()
    return dict(row.values) if row is not None else {}


def id_of(adapter: Adapter) -> str:
    """The id as a program spelled it, else the registry's reference."""
    return str(said_of(adapter).get("adapter_id") or adapter.ref)


def name_of(version: Version | None) -> str | None:
    """``id:version``, as swaps name their sides; None for the base itself."""
    return None if version is None else f"{id_of(version.adapter)}:{version.version_name}"


def version_of(adapter: Adapter, version_id: str | None) -> Version:
    """The named version; without a name the live one, else the only one that may be served.

    Raises:
        VersionNotFound: there is no such version.
        MetadataInvalid: none is named, and which one is meant would be a guess.
        NotPermitted: none of its versions is approved; the blockers of the newest are named.
    """
    if version_id is not None:
        return version_by_ref(f"{adapter.ref}@{version_id}")
    live = live_version(adapter)
    if live is not None:
        return live
    rows = list(Version.objects.filter(adapter=adapter).order_by("-number"))
    approved = [row for row in rows if open_serve_permission(row) and not is_stopped(row.digest)]
    if len(approved) == 1:
        return approved[0]
    if approved:
        names = ", ".join(row.version_name for row in approved[:_SHOWN])
        raise MetadataInvalid(
            f"{adapter.ref} has no live version, and several are approved: {names}.",
            fix="Name one: version_id=….",
        )
    if not rows:
        raise MetadataInvalid(
            f"{adapter.ref} has no version.", fix="Add one: registry.add_version(…)."
        )
    raise with_blockers(rows[0], None)


def with_blockers(version: Version, error: NotPermitted | None) -> NotPermitted:
    """Why a version may not be served, with everything that still blocks its approval."""
    blockers = open_blockers(version)
    if error is not None and (open_serve_permission(version) is not None or not blockers):
        return error
    name = version.runtime_name
    if not blockers:
        return NotPermitted(
            f"{name} is not approved.", fix="Request approval and have the record signed."
        )
    said = " ".join(f"{row.check_id}: {row.message}" for row in blockers[:_SHOWN])
    more = f" And {len(blockers) - _SHOWN} more." if len(blockers) > _SHOWN else ""
    return NotPermitted(
        f"{name} is not approved. {said}{more}",
        fix=blockers[0].fix,
        errors=[row.as_dict() for row in blockers],
    )


def deployment_with(version: Version, *, name: str | None) -> Deployment:
    """The deployment whose stable version this is.

    Raises:
        AdapterNotServed: nothing answers with it.
        MetadataInvalid: several do, and none is named.
    """
    rows = Deployment.objects.filter(is_enabled=True, stable_revision__version=version)
    return _only(rows, name, f"{version.adapter.ref}@{version.version_name}")


def deployment_of(adapter: Adapter, *, name: str | None) -> Deployment:
    """The deployment that serves a version of the adapter, or is being moved to one.

    Raises:
        AdapterNotServed, MetadataInvalid: as ``deployment_with``.
    """
    return _only(deployments_of(adapter), name, adapter.ref)


def _only(found: QuerySet[Deployment], name: str | None, what: str) -> Deployment:
    if name is not None:
        found = found.filter(public_name=name)
    rows = list(
        found.select_related("base_model", "adapter", "stable_revision__version__adapter").order_by(
            "pk"
        )
    )
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise AdapterNotServed(
            f"Nothing answers with {what} now.", fix="Load it, or look at get_system_status()."
        )
    names = ", ".join(row.public_name for row in rows[:_SHOWN])
    raise MetadataInvalid(f"{what} answers as {names}.", fix="Name one: deployment='…'.")
