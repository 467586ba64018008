"""The LoRA manager's health under its own mount; at the root the same is answered in front."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from serving.health import answers
from serving.health.measuring import measured_for


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """``{"status": "ok", …}`` while work can be done, else 503 and ``unavailable``."""
    measured = measured_for(request)
    response = JsonResponse(answers.short(measured), status=answers.status_code(measured))
    response["Cache-Control"] = "no-store"
    return response
