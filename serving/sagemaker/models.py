"""The typed values of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.sagemaker.requests import Request


@dataclass(frozen=True, slots=True)
class RegisterRequest:
    """The body of a registration.

    ``src`` says where the adapter lies, ``preload`` whether it is loaded at once, ``pin`` whether
    it may be put out for another.
    """

    name: str
    src: str
    preload: bool = True
    pin: bool = False


@dataclass(frozen=True, slots=True)
class AppendOperation:
    """Puts what ``expression`` finds behind the field's present text, with ``separator`` between.

    A leaf of a shape for ``inject_adapter_id``.
    """

    separator: str
    expression: str


@dataclass(slots=True)
class BaseLoRATransformRequestOutput:
    """What translating a request yields.

    ``request`` becomes the handler's first argument; with None or an empty mapping the handler
    gets ``raw_request`` alone.
    """

    request: Mapping[str, Any] | None
    raw_request: Request
    adapter_name: str | None = None
