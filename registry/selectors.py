"""Reads across the registry's tables."""

from uuid import UUID

from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce

from config.accounts.models import User
from registry.domain.manifests import Row
from registry.domain.refs import AdapterRef, VersionRef, parse_adapter_ref, parse_version_ref
from registry.errors import (
    AdapterNotFound,
    BaseModelNotFound,
    BlobNotFound,
    RefInvalid,
    UploadNotFound,
    VersionNotFound,
)
from registry.models import (
    Adapter,
    Alias,
    AliasMove,
    BaseModel,
    Blob,
    Label,
    Upload,
    Version,
    VersionFile,
)

LIVE = "live"


def adapter_by_ref(ref: str) -> Adapter:
    """The adapter named by ``uuid``, ``slug`` or ``ns:slug``.

    Raises:
        RefInvalid: the text is no reference.
        AdapterNotFound: it names none.
    """
    return _adapter(parse_adapter_ref(ref))


def version_by_ref(ref: str) -> Version:
    """The version named by its uuid, or ``adapter@version_name|@alias|@sha256:hex``.

    The short digest of ``slug@<12 hex>``, as answers name versions, is understood too. A version's
    name wins over an alias; services see to it that the two never meet.

    Raises:
        RefInvalid: the text is no reference, or begins several digests.
        AdapterNotFound: there is no such adapter.
        VersionNotFound: there is no such version.
    """
    parsed = parse_version_ref(ref)
    versions = Version.objects.select_related("adapter__base_model", "submitted_by__person")
    if parsed.uuid is not None:
        found = versions.filter(uuid=parsed.uuid).first()
    else:
        found = _version_of_adapter(parsed, versions)
    if found is None:
        raise VersionNotFound(
            f"There is no version {ref[:200]}.",
            fix="GET /api/v1/adapters/{ref}/versions lists the adapter's versions.",
        )
    return found


def current_label(version: Version) -> Label | None:
    """The label's highest revision, None where nothing was stated."""
    return version.labels.order_by("-revision").first()


def live_version(adapter: Adapter) -> Version | None:
    """The version that the alias ``live`` names."""
    alias = Alias.objects.select_related("version__adapter").filter(adapter=adapter, name=LIVE)
    found = alias.first()
    return found.version if found else None


def manifest(version: Version) -> tuple[Row, ...]:
    """(path, sha256, size_bytes) of each file, sorted by path."""
    rows = VersionFile.objects.filter(version=version).values_list(
        "path", "blob__sha256", "blob__size_bytes"
    )
    return tuple(sorted(rows))


def files_of(version: Version) -> list[VersionFile]:
    """The version's files with their blobs, sorted by path."""
    return list(VersionFile.objects.filter(version=version).select_related("blob"))


def base_models() -> QuerySet[BaseModel]:
    """All base models."""
    return BaseModel.objects.order_by("-pk")


def base_model_by_name(name: str) -> BaseModel:
    """The base model with this slug, or that adapters may declare by this name.

    Raises:
        BaseModelNotFound: there is none; the message names those that there are.
    """
    rows = list(BaseModel.objects.all())
    for row in rows:
        if name == row.slug or name in row.declared_names or name == str(row.uuid):
            return row
    known = ", ".join(sorted(row.slug for row in rows)) or "none yet"
    raise BaseModelNotFound(
        f"There is no base model {name[:200]!r}.",
        fix=f"Registered are: {known}. Register one with manage.py import_base.",
    )


def adapters() -> QuerySet[Adapter]:
    """All adapters with what a list shows: base, owner, version count, newest and live version."""
    newest = Version.objects.filter(adapter=OuterRef("pk")).order_by("-number")
    # A join would count for every adapter before the page is cut out; this counts for its rows.
    count = newest.order_by().values("adapter").annotate(count=Count("pk")).values("count")
    return (
        Adapter.objects.select_related("base_model", "owner__person")
        .annotate(
            version_count=Coalesce(Subquery(count), 0),
            newest_version_name=Subquery(newest.values("version_name")[:1]),
            newest_digest=Subquery(newest.values("digest")[:1]),
        )
        .prefetch_related(
            Prefetch(
                "aliases",
                queryset=Alias.objects.filter(name=LIVE).select_related("version"),
                to_attr="live_aliases",
            )
        )
        .order_by("-pk")
    )


def listed_adapter(ref: str) -> Adapter:
    """One adapter with what a list shows.

    Raises:
        RefInvalid, AdapterNotFound: as ``adapter_by_ref``.
    """
    return adapters().get(pk=adapter_by_ref(ref).pk)


def versions_of(adapter: Adapter) -> QuerySet[Version]:
    """The adapter's versions with files and labels fetched."""
    return _with_parts(Version.objects.filter(adapter=adapter))


def version_with_parts(version: Version) -> Version:
    """The version with files and labels fetched."""
    return _with_parts(Version.objects.filter(pk=version.pk)).get()


def aliases_of(adapter: Adapter) -> QuerySet[Alias]:
    """The adapter's aliases with their versions."""
    return Alias.objects.filter(adapter=adapter).select_related("version").order_by("-pk")


def alias_moves(adapter: Adapter, name: str = "") -> QuerySet[AliasMove]:
    """Moves of the adapter's aliases, the newest first; of one alias where ``name`` is given."""
    moves = AliasMove.objects.filter(adapter=adapter).select_related("from_version", "to_version")
    return moves.filter(name=name) if name else moves


def blob_by_digest(sha256: str) -> Blob:
    """The blob with this digest.

    Raises:
        BlobNotFound: there is none.
    """
    blob = Blob.objects.filter(sha256=sha256).first()
    if blob is None:
        raise BlobNotFound(f"No bytes are stored under {sha256[:64]}.", fix="Upload them first.")
    return blob


def uploads_of(owner: User, sha256: str = "") -> QuerySet[Upload]:
    """The account's uploads, finished ones too; of one digest where it is given."""
    mine = Upload.objects.filter(owner=owner)
    return mine.filter(sha256=sha256) if sha256 else mine


def upload_of(owner: User, uuid: UUID) -> Upload:
    """The account's upload with this id; nobody learns of somebody else's.

    Raises:
        UploadNotFound: the account has none.
    """
    found = Upload.objects.filter(owner=owner, uuid=uuid).first()
    if found is None:
        raise UploadNotFound(f"You have no upload {uuid}.", fix="GET /api/v1/uploads lists yours.")
    return found


def _adapter(parsed: AdapterRef) -> Adapter:
    rows = Adapter.objects.select_related("base_model", "owner__person")
    if parsed.uuid is not None:
        found = rows.filter(uuid=parsed.uuid).first()
    else:
        found = rows.filter(namespace=parsed.namespace, slug=parsed.slug).first()
    if found is None:
        raise AdapterNotFound(
            f"There is no adapter {parsed}.", fix="GET /api/v1/adapters lists the adapters."
        )
    return found


def _version_of_adapter(parsed: VersionRef, versions: QuerySet[Version]) -> Version | None:
    if parsed.adapter is None:
        return None
    of_adapter = versions.filter(adapter=_adapter(parsed.adapter))
    if parsed.digest:
        return _by_digest(of_adapter, parsed.digest)
    found = of_adapter.filter(version_name=parsed.name).first()
    if found is None:
        alias = Alias.objects.filter(adapter__in=of_adapter.values("adapter"), name=parsed.name)
        found = of_adapter.filter(pk__in=alias.values("version")).first()
    if found is None and parsed.is_short_digest:
        found = _by_digest(of_adapter, parsed.name)
    return found


def _by_digest(versions: QuerySet[Version], digest: str) -> Version | None:
    found = list(versions.filter(digest__startswith=digest)[:2])
    if len(found) > 1:
        raise RefInvalid(
            f"Several versions begin with {digest}.", fix="Give more digits of the digest."
        )
    return found[0] if found else None


def _with_parts(versions: QuerySet[Version]) -> QuerySet[Version]:
    return versions.select_related(
        "adapter__base_model", "submitted_by__person", "parent"
    ).prefetch_related(
        Prefetch("files", queryset=VersionFile.objects.select_related("blob")),
        Prefetch("labels", queryset=Label.objects.select_related("created_by__person")),
    )
