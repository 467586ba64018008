"""Submits versions: bytes to blobs, a manifest, a gapless number."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max

from config.accounts.models import User
from config.core.actors import Actor
from config.core.events import publish
from config.core.failpoints import failpoint
from registry.domain.manifests import Manifest, manifest_of
from registry.domain.packages import CONFIG_FILE, PackageInvalid, PackageLimits
from registry.domain.refs import RESERVED_NAMES, VERSION_NAME, is_digest_like
from registry.errors import VersionNameRefused, VersionNameTaken
from registry.events import VersionRefused, VersionSubmitted
from registry.models import Adapter, Alias, Blob, Version, VersionFile
from registry.services import blobs, known_files, labels, package_facts, uploads
from registry.sources.base import PackageSource


def package_limits() -> PackageLimits:
    """What one upload may hold."""
    return PackageLimits(
        file_bytes=settings.UPLOAD_MAX_BYTES, total_bytes=settings.UPLOAD_MAX_BYTES
    )


def submit(
    *,
    adapter: Adapter,
    package: PackageSource,
    user: User,
    actor: Actor,
    version_name: str = "",
    label: Mapping[str, Any] | None = None,
    notes: str = "",
    parent: Version | None = None,
) -> tuple[Version, bool]:
    """Store a package as the adapter's next version; returns it and whether it is new.

    The same manifest again returns the version that is there, unchanged. Without a name the
    version is called ``v<number>``, or by the next such name that is free.

    Raises:
        PackageInvalid: a fault of the container; nothing became visible, the attempt is audited.
        VersionNameRefused, VersionNameTaken: the name is malformed, or another version's.
        LabelInvalid: the label is not complete.
    """
    return _submit(
        lambda: _store_package(package),
        adapter=adapter,
        user=user,
        actor=actor,
        version_name=version_name,
        label=label,
        notes=notes,
        parent=parent,
    )


def submit_manifest(
    *,
    adapter: Adapter,
    files: Sequence[tuple[str, str]],
    user: User,
    actor: Actor,
    version_name: str = "",
    label: Mapping[str, Any] | None = None,
    notes: str = "",
    parent: Version | None = None,
) -> tuple[Version, bool]:
    """As ``submit``, from (path, sha256) of bytes that are stored already; none is transferred.

    What the caller uploaded in chunks for this version counts no more against his quota.

    Raises:
        PackageInvalid: also where no bytes are stored under a digest.
    """
    made = _submit(
        lambda: known_files.resolve(files, limits=package_limits(), required=(CONFIG_FILE,)),
        adapter=adapter,
        user=user,
        actor=actor,
        version_name=version_name,
        label=label,
        notes=notes,
        parent=parent,
    )
    uploads.release(owner=user, sha256s=(sha256 for _, sha256 in files))
    return made


def _submit(
    resolve: Callable[[], dict[str, Blob]],
    *,
    adapter: Adapter,
    user: User,
    actor: Actor,
    version_name: str,
    label: Mapping[str, Any] | None,
    notes: str,
    parent: Version | None,
) -> tuple[Version, bool]:
    clean_label = labels.clean(label) if label is not None else None
    _check_name(version_name)
    try:
        files = resolve()
    except PackageInvalid as error:
        _audit_refusal(adapter, error, actor)
        raise
    failpoint("upload.blobs_stored")
    manifest = manifest_of((path, blob.sha256, blob.size_bytes) for path, blob in files.items())
    facts = package_facts.read(files)
    try:
        with transaction.atomic():
            # The first of what follows the commit: before anybody is told of the version.
            transaction.on_commit(lambda: failpoint("upload.committed"))
            written = _write(
                adapter=adapter,
                files=files,
                manifest=manifest,
                facts=facts,
                version_name=version_name,
                label=clean_label,
                notes=notes,
                parent=parent,
                user=user,
                actor=actor,
            )
            failpoint("upload.version_recorded")
            return written
    except IntegrityError as error:
        raise VersionNameTaken(
            f"{adapter.ref} got a version of this name at this moment.",
            fix="Look at its versions and choose another name.",
        ) from error


def _store_package(package: PackageSource) -> dict[str, Blob]:
    with package.open(limits=package_limits(), required=(CONFIG_FILE,)) as opened:
        return {member.path: blobs.store_pieces(opened.pieces(member)) for member in opened.members}


def _audit_refusal(adapter: Adapter, error: PackageInvalid, actor: Actor) -> None:
    """A transaction of its own: what is refused leaves nothing but this."""
    with transaction.atomic():
        publish(
            VersionRefused(
                actor=actor,
                object_type="adapter",
                object_id=str(adapter.uuid),
                reason=error.message[:500],
                diff={"faults": [None, sorted({fault.code for fault in error.faults})]},
            )
        )


def _check_name(version_name: str) -> None:
    if not version_name:
        return
    if not VERSION_NAME.fullmatch(version_name):
        raise VersionNameRefused(
            f"{version_name[:80]!r} can't be the name of a version.",
            fix="Use letters, digits and . _ + - and at most 63 characters, such as v2 or 1.4.0.",
        )
    if version_name in RESERVED_NAMES or is_digest_like(version_name):
        raise VersionNameRefused(
            f"{version_name!r} means something else already: an alias or a digest.",
            fix="Choose another name, such as v2 or 1.4.0.",
        )


def _write(
    *,
    adapter: Adapter,
    files: Mapping[str, Blob],
    manifest: Manifest,
    facts: dict[str, Any],
    version_name: str,
    label: dict[str, Any] | None,
    notes: str,
    parent: Version | None,
    user: User,
    actor: Actor,
) -> tuple[Version, bool]:
    # The lock makes numbers gapless and lets one of two equal uploads find the other's version.
    Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
    existing = Version.objects.filter(adapter=adapter, digest=manifest.digest).first()
    if existing is not None:
        return existing, False
    highest = Version.objects.filter(adapter=adapter).aggregate(highest=Max("number"))["highest"]
    number = (highest or 0) + 1
    name = version_name or _free_name(adapter, number)
    _refuse_taken(adapter, name)
    if parent is not None and parent.adapter_id != adapter.pk:
        raise VersionNameRefused(
            f"{parent} is no version of {adapter.ref}.", fix="Name a parent of the same adapter."
        )
    version = Version.objects.create(
        adapter=adapter,
        number=number,
        version_name=name,
        digest=manifest.digest,
        commit_id=manifest.commit_id,
        peft_facts=facts,
        size_bytes=manifest.size_bytes,
        notes=notes,
        parent=parent,
        submitted_by=user,
    )
    VersionFile.objects.bulk_create(
        VersionFile(version=version, path=path, blob=files[path]) for path, _, _ in manifest.rows
    )
    publish(
        VersionSubmitted(
            actor=actor,
            object_type="version",
            object_id=str(version.uuid),
            object_rev=version.digest,
            version_id=version.pk,
            diff={
                "adapter": [None, adapter.ref],
                "version_name": [None, name],
                "digest": [None, version.digest],
                "files": [None, len(files)],
                "size_bytes": [None, version.size_bytes],
            },
        )
    )
    if label is not None:
        labels.change(version=version, user=user, actor=actor, **label)
    return version, True


def _free_name(adapter: Adapter, number: int) -> str:
    """``v<number>``, or the next such name that no version and no alias of the adapter has.

    Asked under the adapter's lock, so that two uploads without a name get one each.
    """
    taken = set(Version.objects.filter(adapter=adapter).values_list("version_name", flat=True))
    taken |= set(Alias.objects.filter(adapter=adapter).values_list("name", flat=True))
    return next(name for name in (f"v{n}" for n in count(number)) if name not in taken)


def _refuse_taken(adapter: Adapter, name: str) -> None:
    other = Version.objects.filter(adapter=adapter, version_name=name).first()
    if other is not None:
        raise VersionNameTaken(
            f"{adapter.ref}@{name} has other bytes ({other.short_digest}) and never changes.",
            fix="Choose another version name, or none: then it is numbered.",
        )
    if Alias.objects.filter(adapter=adapter, name=name).exists():
        raise VersionNameRefused(
            f"{name!r} is an alias of {adapter.ref}.", fix="Choose another version name."
        )
