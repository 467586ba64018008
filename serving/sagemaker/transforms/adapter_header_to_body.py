"""Inference: what headers say is put into the body that the engine reads."""

from collections.abc import Mapping
from typing import Any

from serving.sagemaker.base import BaseLoRAApiTransform
from serving.sagemaker.errors import RequestInvalid
from serving.sagemaker.expressions import compile_expression
from serving.sagemaker.models import AppendOperation, BaseLoRATransformRequestOutput
from serving.sagemaker.paths import parent_of, set_value, split_path
from serving.sagemaker.requests import Request
from serving.sagemaker.shapes import Leaf, Shape, ShapeMismatch, request_source, validate_shape


class AdapterHeaderToBodyApiTransform(BaseLoRAApiTransform):
    """Each target of the shape is a dotted path into the body, each leaf what is put there.

    A text replaces the target's value, an ``AppendOperation`` puts its value behind it. Where an
    expression finds nothing the body stays as it was. Targets are written in their order, plain
    ones first, and later expressions see what earlier ones wrote. The handler gets the request
    with the new body, and nothing else.
    """

    def _compile_request_shape(self, shape: Shape | None) -> dict[str, Any]:
        validate_shape(shape or {})
        self._replacing: dict[str, Leaf] = {}
        self._appending: dict[str, tuple[str, Leaf]] = {}
        for target, leaf in (shape or {}).items():
            split_path(target)
            if isinstance(leaf, AppendOperation):
                compiled = Leaf(target, compile_expression(leaf.expression, key=target))
                self._appending[target] = (leaf.separator, compiled)
            elif isinstance(leaf, str):
                self._replacing[target] = Leaf(target, compile_expression(leaf, key=target))
            else:
                raise ValueError(
                    f"request_shape['{target}'] must be a JMESPath expression or an "
                    f"AppendOperation, not {type(leaf).__name__}"
                )
        return {}

    @property
    def data_is_passed(self) -> bool:
        """Never: the handler reads the body that was written."""
        return False

    async def transform_request(self, raw_request: Request) -> BaseLoRATransformRequestOutput:
        """Write into the body.

        Raises:
            RequestInvalid: it is no JSON object, or can't hold what is to be put into it.
        """
        try:
            body = raw_request.data
        except ValueError as error:
            raise RequestInvalid(f"JSON decode error: {error}") from None
        if not isinstance(body, dict):
            raise RequestInvalid("The body must be a JSON object")
        if self._write(body, raw_request):
            raw_request.replace_body(body)
        return BaseLoRATransformRequestOutput(request=None, raw_request=raw_request)

    def _write(self, body: dict[str, Any], raw_request: Request) -> bool:
        """Whether something was written."""
        source = request_source(body, raw_request)
        is_written = False
        for target, leaf in self._replacing.items():
            if (found := _find(leaf, source)) is not None:
                _put(body, target, found)
                is_written = True
        for target, (separator, leaf) in self._appending.items():
            if (found := _find(leaf, source)) is not None:
                _put(body, target, _appended(body, target, separator, found))
                is_written = True
        return is_written


def _find(leaf: Leaf, source: Mapping[str, Any]) -> Any:
    """What is to be written; None where there is nothing, an empty header included."""
    try:
        found = leaf.search(source)
    except ShapeMismatch as error:
        raise RequestInvalid(str(error)) from None
    return None if found == "" else found


def _put(body: dict[str, Any], target: str, value: Any) -> None:
    try:
        set_value(body, target, value)
    except KeyError:
        raise _no_place(target) from None


def _appended(body: dict[str, Any], target: str, separator: str, value: Any) -> str:
    try:
        old = parent_of(body, target).get(split_path(target)[-1])
    except KeyError:
        raise _no_place(target) from None
    if not isinstance(value, str) or not isinstance(old, str | None):
        raise RequestInvalid(f"Nothing can be put behind '{target}': it must be a text")
    return value if old is None else f"{old}{separator}{value}"


def _no_place(target: str) -> RequestInvalid:
    return RequestInvalid(f"The body has no place for '{target}': its parent must be an object")
