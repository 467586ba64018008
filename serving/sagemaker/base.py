"""The base of every translation between the contract and an engine."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from serving.sagemaker.adapters import (
    get_adapter_alias_from_request_header,
    get_adapter_name_from_request,
)
from serving.sagemaker.errors import RequestInvalid
from serving.sagemaker.expressions import root_of
from serving.sagemaker.models import BaseLoRATransformRequestOutput
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response, as_response
from serving.sagemaker.shapes import (
    REQUEST_ROOTS,
    Shape,
    ShapeMismatch,
    compile_shape,
    leaves_of,
    shape_request,
    shape_response,
)

log = logging.getLogger(__name__)
WITHOUT_BODY = (204, 205)


class BaseLoRAApiTransform(ABC):
    """One operation's translation, made when its decorator is given the shapes.

    Subclasses write ``transform_request`` and may write the two hooks for answers.
    """

    # Whether expressions on the body can find something.
    reads_body: ClassVar[bool] = True

    def __init__(
        self, request_shape: Shape | None = None, response_shape: Shape | None = None
    ) -> None:
        """Compile both shapes.

        Raises:
            ValueError: a shape is no mapping or one of its expressions is faulty.
        """
        self._request_shape = self._compile_request_shape(request_shape)
        self._response_shape = (
            None if not response_shape else compile_shape(response_shape, name="response_shape")
        )

    def _compile_request_shape(self, shape: Shape | None) -> dict[str, Any] | None:
        if shape is None:
            return None
        compiled = compile_shape(shape)
        roots = REQUEST_ROOTS if self.reads_body else REQUEST_ROOTS[1:]
        for leaf in leaves_of(compiled):
            root = root_of(leaf.compiled)
            if root is not None and root not in roots:
                log.warning(
                    "request_shape['%s'] reads %s, which is not used here and always null; "
                    "there is %s",
                    leaf.key,
                    root,
                    ", ".join(roots),
                )
        return compiled

    @property
    def data_is_passed(self) -> bool | None:
        """Whether a handler gets translated fields; None where only a request can tell."""
        return None

    @property
    def has_response_shape(self) -> bool:
        """Whether good answers are translated."""
        return self._response_shape is not None

    @abstractmethod
    async def transform_request(self, raw_request: Request) -> BaseLoRATransformRequestOutput:
        """Read and check a request.

        Raises:
            HTTPException: it is refused.
        """

    def transform_response(
        self, response: Response, output: BaseLoRATransformRequestOutput
    ) -> Response:
        """What the client gets for what the engine said.

        With a response shape an answer of 2xx is translated first; then ``_transform_ok_response``
        sees a 200, ``_transform_error_response`` anything else. A stream is never translated, nor
        what may have no body.
        """
        if self._response_shape is not None and _can_be_shaped(response):
            shaped = self._transform_response(response)
            response = Response(shaped, response.status_code)
        hook = (
            self._transform_ok_response
            if response.status_code == 200
            else self._transform_error_response
        )
        return as_response(
            hook(
                response,
                adapter_name=get_adapter_name_from_request(output),
                adapter_alias=get_adapter_alias_from_request_header(output.raw_request),
            )
        )

    def _transform_request(
        self, body: Mapping[str, Any] | None, raw_request: Request
    ) -> dict[str, Any] | None:
        """The engine's fields; None without a request shape.

        Raises:
            RequestInvalid: an expression can't be applied to what the client sent.
        """
        if self._request_shape is None:
            return None
        try:
            return shape_request(
                self._request_shape, body if isinstance(body, Mapping) else None, raw_request
            )
        except ShapeMismatch as error:
            raise RequestInvalid(str(error)) from error

    def _transform_response(self, response: Response) -> dict[str, Any]:
        """The outward fields of ``response``; empty without a response shape."""
        return shape_response(self._response_shape or {}, response)

    def _transform_ok_response(self, response: Response, **kwargs: Any) -> Any:
        """The answer to the client for a 200 of the engine.

        ``kwargs`` holds ``adapter_name`` and ``adapter_alias``, a text or None each.
        """
        return response

    def _transform_error_response(self, response: Response, **kwargs: Any) -> Any:
        """The answer to the client for anything else; ``kwargs`` as above."""
        return response


def _can_be_shaped(response: Response) -> bool:
    is_good = 200 <= response.status_code < 300
    return is_good and response.status_code not in WITHOUT_BODY and response.is_read
