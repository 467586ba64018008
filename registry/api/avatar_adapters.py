"""Avatars' adapters: create, train, download, look at, delete."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import ParseError, PermissionDenied
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs, require
from config.accounts.roles import Act
from config.core.parsers import StrictJSONParser
from registry import avatar_selectors as selectors
from registry import training_selectors
from registry.domain.avatars import AvatarStatus
from registry.models import Avatar, TrainingRun
from registry.services import avatar_backups, avatar_training, avatars, training_runs
from registry.states import TrainingState

from .avatar_base import AvatarView, Stream, errors
from .avatar_serializers import (
    CreatedSerializer,
    DeletedSerializer,
    InfoSerializer,
    TrainingBegunSerializer,
    TrainingResultSerializer,
    TrainRequestSerializer,
)

ZIP = "application/zip"
MAX_WAIT_SECONDS = 600.0
_CROSS = frozenset({"cross-site", "same-site"})


class AvatarAdapter(AvatarView):
    """The adapter of an avatar."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_adapter_download",
        responses={(200, ZIP): OpenApiTypes.BINARY, **errors(409, 507)},
    )
    def get(self, request: Request, user_id: str, avatar_id: str) -> HttpResponseBase:
        """The adapter as a ZIP, trained or not. Who may write gets a new one where none is."""
        avatar = self._found_or_made(request, avatar_id)
        archive = avatar_backups.download(avatar=avatar, actor=self.actor)
        return self._described(Stream(archive.pieces).answer(request, content_type=ZIP), avatar)

    @extend_schema(operation_id="avatar_adapter_head", responses={200: None, **errors()})
    def head(self, request: Request, user_id: str, avatar_id: str) -> HttpResponseBase:
        """The headers of the download; makes nothing."""
        avatar = _with_adapter(self.avatar(avatar_id))
        return self._described(HttpResponse(content_type=ZIP), avatar)

    @extend_schema(
        operation_id="avatar_adapter_delete",
        responses={200: DeletedSerializer, **errors(409, 413, 415, 422)},
    )
    def delete(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """Delete the avatar: its training files, backups and flags go, its adapter is retired."""
        avatars.delete(avatar=self.avatar(avatar_id), actor=self.actor)
        said = {"status": "deleted", "message": f"Adapter of {avatar_id} deleted"}
        return Response(self.named(avatar_id) | said)

    def _found_or_made(self, request: Request, avatar_id: str) -> Avatar:
        found = selectors.find_avatar(owner=self.user, name=avatar_id)
        if found is not None and found.adapter_id is not None:
            return found
        # A safe method makes something here, because the contract promises it; so whoever may not
        # write is told that there is nothing, and a page of another site can't make anything.
        try:
            require(request, Act.SUBMIT)
        except PermissionDenied:
            raise selectors.no_avatar() from None
        if request.headers.get("Sec-Fetch-Site") in _CROSS:
            raise selectors.no_avatar()
        made, _ = avatars.create(owner=self.user, name=avatar_id, actor=self.actor)
        return self.avatar(made.name)

    def _described(self, response: HttpResponseBase, avatar: Avatar) -> HttpResponseBase:
        user = self.user.get_username()
        # Headers are Latin-1: JSON escapes what is not ASCII, names of accounts are quoted.
        response["X-Adapter-Metadata"] = json.dumps(_metadata(self, avatar))
        response["X-User-ID"] = _header(user)
        response["X-Avatar-ID"] = avatar.name
        response["Content-Disposition"] = content_disposition_header(
            True, f"adapter_{user}_{avatar.name}.zip"
        )
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "no-store"
        return response


class AvatarCreate(AvatarView):
    """The making of an avatar's adapter."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_adapter_create",
        parameters=[OpenApiParameter("adapter_name", str, description="Its name for people")],
        request=None,
        responses={200: CreatedSerializer, **errors(409, 413, 415, 422, 507)},
    )
    def post(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """Make the adapter, untrained, with a backup; the one that is there is left as it is."""
        avatar, is_new = avatars.create(
            owner=self.user,
            name=avatar_id,
            adapter_name=request.query_params.get("adapter_name", ""),
            actor=self.actor,
        )
        adapter = _with_adapter(avatar).adapter
        state = "created" if is_new else "existing"
        return Response(
            self.named(avatar_id)
            | {
                "status": state,
                "message": f"Adapter {state}",
                "adapter_id": adapter and adapter.uuid,
                "adapter_name": adapter and adapter.name,
                "s3_key": self.keys(avatar_id).backup,
            }
        )


class AvatarInfo(AvatarView):
    """What there is to know about an avatar's adapter."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(operation_id="avatar_adapter_info", responses={200: InfoSerializer, **errors()})
    def get(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """State, version, last training and counts, without the download."""
        avatar = _with_adapter(self.avatar(avatar_id))
        state = selectors.state_of(avatar)
        counts = selectors.counts_of(avatar)
        body = _metadata(self, avatar) | {
            "configuration": avatar.configuration,
            "last_training": _last_training(state.last_run),
            "last_backup_at": state.last_backup_at,
            "training_data": counts,
            "s3_key": self.keys(avatar_id).backup,
        }
        return Response(InfoSerializer(body).data)


class AvatarTrain(AvatarView):
    """The training of an avatar's adapter."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]
    parser_classes: list[type[BaseParser]] = [StrictJSONParser]

    @extend_schema(
        operation_id="avatar_adapter_train",
        parameters=[
            OpenApiParameter("wait", float, description="Seconds to wait for the end, at most 600"),
            OpenApiParameter("Prefer", str, OpenApiParameter.HEADER, description="respond-async"),
        ],
        request=TrainRequestSerializer,
        responses={
            200: TrainingResultSerializer,
            202: TrainingBegunSerializer,
            **errors(409, 413, 415, 422, 429),
        },
    )
    def post(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """Train on the flagged files: 200 with the result, or 202 and where to look for it."""
        if not isinstance(request.data, Mapping):
            raise ParseError("The body is no JSON object.")
        seconds = _wait_seconds(request)
        avatar = _with_adapter(self.avatar(avatar_id))
        run = avatar_training.start(avatar=avatar, parameters=request.data, actor=self.actor)
        run = training_runs.wait(run=run, seconds=seconds)
        if run.is_open:
            return self._accepted(avatar_id, run)
        body = self.named(avatar_id) | {
            "status": selectors.state_of(self.avatar(avatar_id)).status,
            "training_run": run.uuid,
        }
        return Response(TrainingResultSerializer(body | training_selectors.result(run)).data)

    def _accepted(self, avatar_id: str, run: TrainingRun) -> Response:
        place = f"/api/v1/training-runs/{run.uuid}"
        body = self.named(avatar_id) | {
            "status": AvatarStatus.TRAINING,
            "message": training_selectors.message(run),
            "training_run": run.uuid,
            "job_url": place,
        }
        return Response(
            TrainingBegunSerializer(body).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": place},
        )


def _with_adapter(avatar: Avatar) -> Avatar:
    if avatar.adapter is None:
        raise selectors.no_avatar()
    return avatar


def _metadata(view: AvatarView, avatar: Avatar) -> dict[str, Any]:
    """What the download's header and the info say alike, as plain data."""
    adapter = _with_adapter(avatar).adapter
    state = selectors.state_of(avatar)
    version = state.version
    return view.named(avatar.name) | {
        "status": str(state.status),
        "adapter_id": str(adapter.uuid) if adapter else "",
        "adapter_name": adapter.name if adapter else "",
        "adapter_ref": adapter.ref if adapter else "",
        "base_model": adapter.base_model.slug if adapter else "",
        "created_at": adapter.created_at.isoformat() if adapter else "",
        "version": version.version_name if version else None,
        "version_id": str(version.uuid) if version else None,
        "digest": version.digest if version else None,
        "size_bytes": version.size_bytes if version else None,
        "trained_at": version.submitted_at.isoformat() if version else None,
    }


def _last_training(run: TrainingRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "training_run": run.uuid,
        "state": str(TrainingState(run.state)),
        "step": run.step,
        "steps": run.steps,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def _wait_seconds(request: Request) -> float:
    """How long to wait: the caller's word, else the setting's."""
    said = request.query_params.get("wait")
    if "respond-async" in request.headers.get("Prefer", "").lower():
        return 0.0
    if said is None:
        return min(settings.TRAIN_SYNC_WAIT, MAX_WAIT_SECONDS)
    try:
        seconds = float(said)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise ParseError(f"wait must be 0 to {MAX_WAIT_SECONDS:.0f} seconds.")
    return seconds


def _header(text: str) -> str:
    return text if text.isascii() else quote(text)
