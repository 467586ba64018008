"""Training runs: listing, reading, watching, cancelling."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs, needs_any
from config.accounts.roles import Act
from registry import training_selectors as selectors
from registry.models import TrainingRun
from registry.services import training_runs

from .training_serializers import CancelSerializer, TrainingRunSerializer

LOOK_EVERY_SECONDS = 0.5
SAY_ALIVE_EVERY_SECONDS = 15.0
# Whoever watches connects again then, and is authorised again.
END_AFTER_SECONDS = 120.0


class TrainingRunList(ListView):
    """Training runs."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="training_runs_list",
        responses={200: TrainingRunSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """The account's runs and those of its adapters, newest first; operators see all."""
        return self.page(selectors.visible_runs(self.user), TrainingRunSerializer)


class TrainingRunDetail(ApiView):
    """One training run."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="training_runs_get", responses={200: TrainingRunSerializer, **PROBLEMS}
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        """How far it is, what it learns from, and what came out."""
        return Response(TrainingRunSerializer(selectors.visible_run(self.user, uuid)).data)


class TrainingRunCancel(ApiView):
    """The end of a training run before its time."""

    permission_classes = [needs_any(Act.SUBMIT, Act.NODES)]

    @extend_schema(
        operation_id="training_runs_cancel",
        request=CancelSerializer,
        responses={200: TrainingRunSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Cancel it: nothing half done remains. Cancelling twice is once."""
        wanted = CancelSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        run = training_runs.cancel(
            run=selectors.visible_run(self.user, uuid),
            user=self.user,
            actor=self.actor,
            reason=wanted.validated_data["reason"],
        )
        return Response(TrainingRunSerializer(selectors.visible_run(self.user, run.uuid)).data)


class EventStreamRenderer(BaseRenderer):
    """Lets a client ask for ``text/event-stream``; a refusal is a problem document all the same."""

    media_type = "text/event-stream"
    format = "events"
    charset = None

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Only refusals come here; streams are not rendered."""
        return json.dumps(data, default=str).encode()


class TrainingRunEvents(ApiView):
    """A training run as it moves."""

    permission_classes = [needs(Act.READ)]
    renderer_classes = [JSONRenderer, EventStreamRenderer]

    @extend_schema(
        operation_id="training_runs_events",
        responses={
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR, description="Server-sent events: progress, and end"
            ),
            **PROBLEMS,
        },
    )
    def get(self, request: Request, uuid: UUID) -> HttpResponseBase:
        """Server-sent events ``progress`` with new points of the loss, then one ``end``.

        The id of an event is its step: with ``Last-Event-ID`` only later points are sent. The
        stream ends after two minutes; clients connect again.
        """
        run = selectors.visible_run(self.user, uuid)
        last = request.headers.get("Last-Event-ID", "")
        since = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else -1
        response = StreamingHttpResponse(_events(run.uuid, since), content_type="text/event-stream")
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"
        return response


async def _events(uuid: UUID, since: int) -> AsyncIterator[bytes]:
    """One event whenever something changed; between looks neither thread nor connection is held."""
    end = said_at = time.monotonic()
    end += END_AFTER_SECONDS
    last: tuple[Any, ...] = ()
    yield b"retry: 1000\n\n"
    while time.monotonic() < end:
        found, body, since, is_open = await sync_to_async(_look, thread_sensitive=False)(
            uuid, last, since
        )
        if body:
            last, said_at = found, time.monotonic()
            yield body
        elif time.monotonic() - said_at > SAY_ALIVE_EVERY_SECONDS:
            said_at = time.monotonic()
            yield b": still here\n\n"
        if not is_open:
            return
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _look(
    uuid: UUID, last: tuple[Any, ...], since: int
) -> tuple[tuple[Any, ...], bytes, int, bool]:
    """The stamp, an event where it is not ``last``, the last point told, whether it goes on."""
    try:
        found = selectors.stamp(uuid)
        if found == last:
            return found, b"", since, bool(found)
        run = TrainingRun.objects.select_related("version").get(uuid=uuid)
        points = [point for point in run.series if point[0] > since]
        told = {**selectors.progress(run).as_json(), "points": points, "attempt": run.attempt}
        if not run.is_open:
            told |= {"message": selectors.message(run),
                     "version": run.version.runtime_name if run.version else None}  # fmt: skip
        since = max([since, *(int(point[0]) for point in points)])
        name = "progress" if run.is_open else "end"
        body = f"event: {name}\nid: {max(since, 0)}\ndata: {json.dumps(told)}\n\n"
        return found, body.encode(), since, run.is_open
    finally:
        # This thread goes back to a pool; its connection must not wait there.
        connections.close_all()
