"""Registering: name and source are checked, and an adapter's own fault is told apart."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from config.core.strict_json import NameTwice
from serving.sagemaker.base import BaseLoRAApiTransform
from serving.sagemaker.constants import ADAPTER_FAULTS, ResponseMessage
from serving.sagemaker.models import BaseLoRATransformRequestOutput
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response
from serving.sagemaker.validation import read_register_request, unreadable_fields

FAILED_DEPENDENCY = 424


class RegisterLoRAApiTransform(BaseLoRAApiTransform):
    """``POST /adapters``.

    The shape reads the four checked fields and every other field as it was sent, so that an
    option of one engine can reach it.
    """

    @property
    def data_is_passed(self) -> bool:
        """Whether a handler gets translated fields."""
        return bool(self._request_shape)

    async def transform_request(self, raw_request: Request) -> BaseLoRATransformRequestOutput:
        """Check the fields of the body, or of the query where the body is no JSON.

        Raises:
            FieldsInvalid: a field is missing or malformed, or stands there twice.
        """
        try:
            data = raw_request.data
        except NameTwice as error:
            raise unreadable_fields(error) from None
        except ValueError:
            # Callers of SageMaker and DJL put the four fields into the query.
            data = raw_request.query_params
        fields = read_register_request(data)
        body: Mapping[str, Any] = {**data, **asdict(fields)}
        return BaseLoRATransformRequestOutput(
            request=self._transform_request(body, raw_request),
            raw_request=raw_request,
            adapter_name=fields.name,
        )

    def _transform_ok_response(self, response: Response, **kwargs: Any) -> Response:
        if self.has_response_shape:
            return response
        alias = kwargs["adapter_alias"] or kwargs["adapter_name"]
        return Response(ResponseMessage.ADAPTER_REGISTERED.format(alias=alias))

    def _transform_error_response(self, response: Response, **kwargs: Any) -> Response:
        if response.status_code >= 400 and any(fault in response.text for fault in ADAPTER_FAULTS):
            kind = response.headers.get("Content-Type", "text/plain; charset=utf-8")
            return Response(response.body, FAILED_DEPENDENCY, media_type=kind)
        return response
