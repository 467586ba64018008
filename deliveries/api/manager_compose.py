"""The LoRA manager's compose: a prompt from the adapters of the prompt set."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs, require
from config.accounts.roles import Act
from deliveries.domain.composition_formats import Format
from deliveries.services import compositions

from .manager_base import WRITING, ComposeThrottle, ManagerView, refusals
from .manager_deliveries import DeliverThrottle
from .manager_serializers import ComposedSerializer, ComposeRequestSerializer


class Compose(ManagerView):
    """Composing."""

    is_answer_kept = False  # a prompt may hold what a patient wrote
    permission_classes = [needs(Act.INFER)]
    throttle_classes = [ComposeThrottle]

    @extend_schema(
        operation_id="manager_compose",
        request=ComposeRequestSerializer,
        responses={200: ComposedSerializer, **refusals(404, *WRITING)},
        examples=[
            OpenApiExample(
                "a prompt",
                value={"prefix": "a portrait,", "suffix": "soft light"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Compose a prompt, and deliver it where ``delivery`` says how."""
        wanted = ComposeRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        asked = wanted.validated_data
        if asked.get("delivery") is not None:
            self._require_delivery(request)
        composed = compositions.compose(
            prefix=asked.get("prefix") or "",
            suffix=asked.get("suffix") or "",
            namespace=asked.get("namespace", ""),
            form=Format(asked.get("format", Format.TOKENS)),
            delivery=asked.get("delivery"),
            actor=self.actor,
        )
        body: dict[str, Any] = {
            "prompt": composed.prompt,
            "tokens": composed.composition.tokens,
            "warnings": composed.composition.warnings,
            "composition_id": composed.composition.uuid,
        }
        if composed.request is not None:
            body["request"] = composed.request
        if composed.job is not None:
            body["delivery"] = {"id": composed.job.uuid, "status": composed.job.state}
        return Response(body)

    def _require_delivery(self, request: Request) -> None:
        """What POST /deliveries asks for: its act, and its limit of rate."""
        require(request, Act.DELIVER)
        throttle = DeliverThrottle()
        if not throttle.allow_request(request, self):
            self.throttled(request, throttle.wait() or 1.0)
