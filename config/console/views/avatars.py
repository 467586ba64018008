"""One's own avatars: texts, flags, trainings, the adapter and its backups."""

from dataclasses import asdict
from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.accounts.roles import Act
from config.console.paging import key_page
from config.console.selectors.avatars import (
    ListedAvatar,
    avatar_list,
    avatar_page,
    status_of_row,
)
from config.console.views.page import Page, crumb
from config.core.errors import Invalid
from config.core.uploaded import stream_of
from registry import avatar_selectors as selectors
from registry.domain.avatars import recommend
from registry.models import Avatar, AvatarBackup
from registry.services import avatar_backups, avatar_training, avatars, training_files
from registry.services.training_files import GivenText

Said = tuple[str, str]


class AvatarsView(Page):
    """The account's avatars."""

    template_name = "console/avatars.html"
    acts: ClassVar = {"begin": "begin"}

    def read(self, **kwargs: Any) -> None:
        """Names of files may tell of patients: who may not upload them does not see them."""
        self.access.require(Act.SUBMIT)

    def context(self) -> dict[str, Any]:
        """One page of the list."""
        query = self.read_list_filters()
        found = key_page(avatar_list(self.access.user), query)
        return {
            "title": _("Avatars"),
            "list": found,
            "rows": [(row, status_of_row(cast(ListedAvatar, row))) for row in found.rows],
        }

    def begin(self) -> Said:
        """Begin an avatar and make its adapter."""
        avatar, is_new = avatars.create(
            owner=self.access.user,
            name=self.request.POST.get("name", "").strip(),
            actor=self.access.actor,
        )
        said = _("%(name)s is there now; it needs texts to learn from.")
        if not is_new:
            said = _("You have %(name)s already; nothing was changed.")
        return said % {"name": avatar.name}, reverse("admin:avatar", args=[avatar.name])


class AvatarView(Page):
    """One avatar of the account."""

    template_name = "console/avatar.html"
    acts: ClassVar = {
        "create": "create",
        "upload": "upload",
        "flag": "flag",
        "unflag": "unflag",
        "delete-file": "delete_file",
        "train": "train",
        "back-up": "back_up",
        "restore": "restore",
    }
    avatar: Avatar

    def read(self, **kwargs: Any) -> None:
        """The avatar that the path names; nobody learns of somebody else's."""
        self.access.require(Act.SUBMIT)
        self.avatar = selectors.avatar_of(owner=self.access.user, name=kwargs["name"])

    def context(self) -> dict[str, Any]:
        """Texts, trainings, adapter and backups, and for each act why it can't be done now."""
        page = avatar_page(self.avatar)
        no_adapter = _("It has no adapter yet.") if self.avatar.adapter is None else ""
        is_open = _("A training is under way.") if page.open_run else ""
        no_texts = "" if page.flagged_files else _("No file is chosen for training.")
        if page.refused_files:
            no_texts = _("The scan refused a chosen file: mend it, or choose it no more.")
        query = self.read_list_filters()
        return {
            "title": self.avatar.name,
            "crumbs": [crumb(_("Avatars"), reverse("admin:avatars")), crumb(self.avatar.name)],
            "avatar": self.avatar,
            "page": page,
            "list": key_page(selectors.files_of(self.avatar), query),
            "why_not": {
                "train": no_adapter or is_open or no_texts,
                "back_up": no_adapter,
                "restore": no_adapter or is_open,
            },
        }

    def create(self) -> Said:
        """Make the adapter of an avatar that has only texts."""
        avatars.create(owner=self.access.user, name=self.avatar.name, actor=self.access.actor)
        return _("Its adapter is there, untrained."), ""

    def upload(self) -> Said:
        """Store texts, all or none."""
        files = [_given(file) for file in self.request.FILES.getlist("files")]
        if not files:
            raise Invalid(_("No file was chosen."), fix=_("Choose texts: txt, json, jsonl or csv."))
        _avatar, rows = training_files.upload(
            owner=self.access.user,
            avatar_name=self.avatar.name,
            files=files,
            use_for_training=bool(self.request.POST.get("use_for_training")),
            actor=self.access.actor,
        )
        count = len(rows)
        said = ngettext(
            "%(count)s file is stored, sealed, and will be scanned.",
            "%(count)s files are stored, sealed, and will be scanned.",
            count,
        )
        return said % {"count": count}, ""

    def flag(self) -> Said:
        """Choose a file for training."""
        return self._set_flag(is_chosen=True)

    def unflag(self) -> Said:
        """Choose it no more."""
        return self._set_flag(is_chosen=False)

    def _set_flag(self, *, is_chosen: bool) -> Said:
        training_files.set_flag(
            avatar=self.avatar,
            name=self.request.POST.get("file", ""),
            use_for_training=is_chosen,
            actor=self.access.actor,
        )
        # Names of files may tell of patients, and messages lie in a cookie: it is not repeated.
        if is_chosen:
            return _("That file is trained with from now on."), ""
        return _("That file is not trained with any more."), ""

    def delete_file(self) -> Said:
        """Delete a text and the key that opens it."""
        training_files.delete(
            avatar=self.avatar, name=self.request.POST.get("file", ""), actor=self.access.actor
        )
        return _("Deleted: nobody can open that text any more."), ""

    def train(self) -> Said:
        """Train on what is chosen, with the parameters that suit so much data."""
        recommended = recommend(selectors.flagged_bytes(self.avatar))
        run = avatar_training.start(
            avatar=self.avatar, parameters=asdict(recommended), actor=self.access.actor
        )
        return _("The training is asked for."), reverse("admin:training-run", args=[run.uuid])

    def back_up(self) -> Said:
        """Keep a ZIP of the adapter as it is now."""
        avatar_backups.back_up(
            avatar=self.avatar, reason=AvatarBackup.Reason.ASKED, actor=self.access.actor
        )
        return _("A backup was made."), ""

    def restore(self) -> Said:
        """Make the adapter again what a backup holds."""
        try:
            uuid = UUID(self.request.POST.get("backup", ""))
        except ValueError as error:
            raise Invalid(
                _("This is no backup of the list."), fix=_("Load the page anew.")
            ) from error
        done = avatar_backups.restore(
            avatar=self.avatar,
            user=self.access.user,
            actor=self.access.actor,
            backup=selectors.backup_of(self.avatar, uuid),
        )
        if done.version is None:
            return _("It is as untrained as it was then."), ""
        return _("It is %(version)s again.") % {"version": done.version.version_name}, ""


def _given(file: UploadedFile) -> GivenText:
    return GivenText(str(file.name), file.size or 0, partial(stream_of, file))
