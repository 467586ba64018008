"""Unregistering: the name stands in the path, a body is not read."""

from typing import Any, ClassVar

from serving.sagemaker.adapters import PATH_PARAMETER, get_adapter_name_from_request_path
from serving.sagemaker.base import BaseLoRAApiTransform
from serving.sagemaker.constants import ResponseMessage
from serving.sagemaker.errors import HTTPException
from serving.sagemaker.models import BaseLoRATransformRequestOutput
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response


class UnregisterLoRAApiTransform(BaseLoRAApiTransform):
    """``DELETE /adapters/{adapter_name}``."""

    reads_body: ClassVar[bool] = False

    @property
    def data_is_passed(self) -> bool:
        """Whether a handler gets translated fields."""
        return bool(self._request_shape)

    async def transform_request(self, raw_request: Request) -> BaseLoRATransformRequestOutput:
        """Take the name from the path.

        Raises:
            HTTPException: 424, the route has no such parameter.
        """
        name = get_adapter_name_from_request_path(raw_request)
        if name is None:
            raise HTTPException(
                424, f"Malformed request path; missing path parameter: {PATH_PARAMETER}"
            )
        return BaseLoRATransformRequestOutput(
            request=self._transform_request(None, raw_request),
            raw_request=raw_request,
            adapter_name=name,
        )

    def _transform_ok_response(self, response: Response, **kwargs: Any) -> Response:
        if self.has_response_shape:
            return response
        alias = kwargs["adapter_alias"] or kwargs["adapter_name"]
        return Response(ResponseMessage.ADAPTER_UNREGISTERED.format(alias=alias))
