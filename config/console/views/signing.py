"""The signing page: the whole record, the meaning, and the act of signing."""

from typing import Any, ClassVar

from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from compliance.models import ApprovalRequest
from compliance.selectors import request_by_uuid
from compliance.services import approvals
from config.console import words
from config.console.selectors.signing import signing_page
from config.console.views.page import Page, crumb


class SigningView(Page):
    """One approval request: read, then sign or reject."""

    template_name = "console/sign.html"
    acts: ClassVar = {"sign": "sign", "reject": "reject"}
    asked: ApprovalRequest

    def read(self, **kwargs: Any) -> None:
        """The request that the path names."""
        self.asked = request_by_uuid(kwargs["uuid"])

    def context(self) -> dict[str, Any]:
        """The record, who signed it and whose turn it is."""
        version = self.asked.version
        page = signing_page(self.asked, self.access.user, self.access.roles)
        return {
            "title": f"Sign {version}",
            "crumbs": [
                crumb(_("Adapters"), reverse("admin:adapters")),
                crumb(version.adapter.name, reverse("admin:adapter", args=[version.adapter.ref])),
                crumb(version.version_name, reverse("admin:version", args=[version.uuid])),
                crumb(_("Signing")),
            ],
            "page": page,
            "version": version,
            "may_reject": any(str(act).startswith("sign:") for act in self.access.acts),
        }

    def sign(self) -> tuple[str, str]:
        """Hand the signature to the service; password and code go no further."""
        posted = self.request.POST
        signature = approvals.sign(
            request=self.asked,
            meaning=posted.get("meaning", ""),
            record_sha256=posted.get("record_sha256", ""),
            user=self.access.user,
            actor=self.access.actor,
            username=posted.get("username", ""),
            password=posted.get("password", ""),
            code=posted.get("code", ""),
            has_read=bool(posted.get("has_read")),
            comment=posted.get("comment", ""),
        )
        said = words.MEANING.get(signature.meaning, signature.meaning)
        return f"Signed: {said}.", ""

    def reject(self) -> tuple[str, str]:
        """Close the request with a reason, proven as a signature is."""
        posted = self.request.POST
        approvals.reject(
            request=self.asked,
            reason=posted.get("reason", ""),
            user=self.access.user,
            actor=self.access.actor,
            username=posted.get("username", ""),
            password=posted.get("password", ""),
            code=posted.get("code", ""),
        )
        return _("The request is rejected, and the author is shown your reason."), ""

    def show(self, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        """Never show again what was typed as password or code."""
        if kwargs.get("posted"):
            kept = ("comment", "reason", "act")
            kwargs["posted"] = {name: kwargs["posted"].get(name, "") for name in kept}
        return super().show(**kwargs)
