"""Feedback on answers, for programs that use this API; ``POST /v1/feedback`` is the same."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import ApiView, problems
from config.accounts.permissions import needs
from config.accounts.roles import Act
from serving.services import feedback


class FeedbackRequestSerializer(serializers.Serializer[Any]):
    """A verdict on an answer."""

    answer_id = serializers.CharField(max_length=200)
    verdict = serializers.ChoiceField(sorted(feedback.VERDICTS))
    category = serializers.CharField(
        max_length=feedback.MAX_CATEGORY_CHARS, required=False, allow_blank=True
    )
    text = serializers.CharField(
        max_length=feedback.MAX_TEXT_CHARS, required=False, allow_blank=True
    )


class FeedbackSerializer(serializers.Serializer[Any]):
    """The verdict that counts for the answer."""

    answer_id = serializers.CharField()
    verdict = serializers.CharField()
    counted = serializers.BooleanField(help_text="False when an earlier verdict counts")


class FeedbackList(ApiView):
    """Feedback."""

    permission_classes = [needs(Act.FEEDBACK)]

    @extend_schema(
        operation_id="feedback_record",
        request=FeedbackRequestSerializer,
        responses={200: FeedbackSerializer, **problems(410)},
    )
    def post(self, request: Request) -> Response:
        """Say that an answer was good or bad; the first verdict of an answer counts."""
        given = FeedbackRequestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        recorded = feedback.record(**given.validated_data, actor=self.actor)
        body = {
            "answer_id": recorded.feedback.answer_id,
            "verdict": recorded.verdict,
            "counted": recorded.is_counted,
        }
        return Response(FeedbackSerializer(body).data)
