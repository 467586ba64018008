"""Begins avatars, makes their adapters, ends them."""

from itertools import count

from django.conf import settings
from django.db import IntegrityError, transaction

from config.accounts.models import User
from config.core import clock
from config.core.actors import Actor
from config.core.events import publish
from registry import avatar_selectors, selectors
from registry.domain.avatars import AvatarKeys, check_avatar_name, namespace_of, slug_of
from registry.errors import AvatarBaseUnclear, AvatarBusy, AvatarInvalid, BaseModelNotFound
from registry.events import AvatarAdapterMade, AvatarDeleted, AvatarOpened
from registry.models import Adapter, Avatar, AvatarBackup, BaseModel, TrainingFile, TrainingRun
from registry.services import adapters, avatar_backups, flag_files, storage_aliases, training_holds
from registry.states import OPEN_TRAINING_STATES

MAX_ADAPTER_NAME = 200


def open(*, owner: User, name: str, actor: Actor) -> Avatar:
    """The account's avatar of this name, begun where it is not there. Inside a transaction its
    row is locked to the end of it.

    Raises:
        AvatarInvalid: the name is not acceptable.
        AvatarBusy: it was begun and deleted at this moment.
    """
    check_avatar_name(name)
    with transaction.atomic():
        found = _locked(owner, name)
        if found is not None:
            return found
        try:
            with transaction.atomic():
                made = Avatar.objects.create(owner=owner, name=name)
        except IntegrityError as error:
            again = _locked(owner, name)
            if again is None:
                raise AvatarBusy(
                    f"The avatar {name!r} was begun and deleted by another request at this moment.",
                    fix="Try again.",
                ) from error
            return again
        publish(AvatarOpened(actor=actor, object_type="avatar", object_id=str(made.uuid)))
        return made


def create(*, owner: User, name: str, adapter_name: str = "", actor: Actor) -> tuple[Avatar, bool]:
    """The avatar with its adapter, made where it is missing; and whether it was made now.

    A new adapter is backed up at once; where the store failed then, by the next call.

    Raises:
        AvatarInvalid: a name is not acceptable.
        AvatarBaseUnclear: no base model is named for avatars, and not exactly one is registered.
        AdapterExists: somebody took the adapter's reference at this moment.
    """
    title = _clean_title(adapter_name or name)
    with transaction.atomic():
        avatar = open(owner=owner, name=name, actor=actor)
        is_new = avatar.adapter_id is None
        if is_new:
            _make_adapter(avatar, title, actor)
    if is_new or not AvatarBackup.objects.filter(avatar=avatar).exists():
        avatar_backups.back_up(avatar=avatar, reason=AvatarBackup.Reason.CREATED, actor=actor)
    return avatar, is_new


def delete(*, avatar: Avatar, actor: Actor) -> None:
    """End the avatar: files, their keys, backups and the flags file go at once.

    Versions of its adapter are records of what was made and judged; they stay, named by nobody,
    and their bytes are kept as long as records are. A later avatar of this name begins anew.

    Raises:
        AvatarBusy: it is being trained, or a version of its adapter is live.
        TrainingFileHeld: a file of it is under a legal hold.
        AvatarNotFound: somebody deleted it at this moment.
    """
    with transaction.atomic():
        row = Avatar.objects.select_for_update(no_key=True).filter(
            pk=avatar.pk, deleted_at__isnull=True
        )
        locked = row.first()
        if locked is None:
            raise avatar_selectors.no_avatar()
        if locked.adapter is not None:
            _refuse_in_use(locked.adapter)
        rows = TrainingFile.objects.select_related("blob").filter(avatar=locked)
        training_holds.refuse_held(list(rows))
        files, _ = rows.delete()
        backups, _ = AvatarBackup.objects.filter(avatar=locked).delete()
        Avatar.objects.filter(pk=locked.pk).update(deleted_at=clock.now())
        storage_aliases.give_up(AvatarKeys(avatar.owner.username, avatar.name).backup)
        flag_files.raise_revision(locked)
        publish(
            AvatarDeleted(
                actor=actor,
                object_type="avatar",
                object_id=str(locked.uuid),
                adapter_id=locked.adapter_id,
                diff={"training_files": [files, 0], "backups": [backups, 0]},
            )
        )


def base_model() -> BaseModel:
    """The base of avatars' adapters: the setting's, or the only one that is registered.

    Raises:
        AvatarBaseUnclear: neither says which.
    """
    if settings.AVATAR_BASE_MODEL:
        try:
            return selectors.base_model_by_name(settings.AVATAR_BASE_MODEL)
        except BaseModelNotFound as error:
            raise AvatarBaseUnclear(
                "AVATAR_BASE_MODEL names no registered base model.", fix=error.fix
            ) from error
    found = list(BaseModel.objects.order_by("pk")[:2])
    if len(found) == 1:
        return found[0]
    raise AvatarBaseUnclear(
        "Several base models are registered." if found else "No base model is registered.",
        fix="Set AVATAR_BASE_MODEL to the slug of the one that avatars are made for.",
    )


def _make_adapter(avatar: Avatar, title: str, actor: Actor) -> None:
    base, owner = base_model(), avatar.owner
    namespace = namespace_of(owner.username)
    adapter = adapters.create(
        slug=_free_slug(namespace, avatar.name),
        namespace=namespace,
        name=title,
        base_model=base,
        owner=owner,
        actor=actor,
    )
    Avatar.objects.filter(pk=avatar.pk).update(adapter=adapter)
    avatar.adapter = adapter
    publish(
        AvatarAdapterMade(
            actor=actor,
            object_type="avatar",
            object_id=str(avatar.uuid),
            avatar_id=avatar.pk,
            diff={"adapter": [None, str(adapter.uuid)], "base_model": [None, base.slug]},
        )
    )


def _locked(owner: User, name: str) -> Avatar | None:
    rows = Avatar.objects.select_for_update(of=("self",), no_key=True).select_related("adapter")
    return rows.filter(owner=owner, name=name, deleted_at__isnull=True).first()


def _free_slug(namespace: str, name: str) -> str:
    taken = set(Adapter.objects.filter(namespace=namespace).values_list("slug", flat=True))
    return next(
        slug for slug in (slug_of(name, number) for number in count(1)) if slug not in taken
    )


def _clean_title(title: str) -> str:
    title = title.strip()
    if not 0 < len(title) <= MAX_ADAPTER_NAME or not title.isprintable():
        raise AvatarInvalid(
            f"The name of an adapter has 1 to {MAX_ADAPTER_NAME} characters that can be printed.",
            fix="Send another adapter_name, or none: then it is called like the avatar.",
        )
    return title


def _refuse_in_use(adapter: Adapter) -> None:
    runs = TrainingRun.objects.filter(adapter=adapter, state__in=OPEN_TRAINING_STATES)
    if runs.exists():
        raise AvatarBusy("The avatar is being trained.", fix="Cancel the training first.")
    live = selectors.live_version(adapter)
    if live is not None:
        raise AvatarBusy(
            f"{live.version_name} of the avatar's adapter is live.",
            fix="End its deployment first: requests are answered with it.",
        )
