"""Who a request is about: the adapter's name and its readable alias."""

from serving.sagemaker.constants import SageMakerLoRAApiHeader
from serving.sagemaker.models import BaseLoRATransformRequestOutput
from serving.sagemaker.requests import Request

PATH_PARAMETER = "adapter_name"


def get_adapter_name_from_request_path(request: Request) -> str | None:
    """The name in the path; None where there is none."""
    return request.path_params.get(PATH_PARAMETER) or None


def get_adapter_name_from_request_header(request: Request) -> str | None:
    """The name in the identifier header; None where it is missing or empty."""
    return request.headers.get(SageMakerLoRAApiHeader.ADAPTER_IDENTIFIER) or None


def get_adapter_alias_from_request_header(request: Request) -> str | None:
    """The readable alias; None where its header is missing or empty."""
    alias = request.headers.get(SageMakerLoRAApiHeader.ADAPTER_ALIAS)
    if not alias:
        return None
    try:
        # Servers hand headers on as Latin-1; clients with umlauts send UTF-8.
        return str(alias).encode("latin-1").decode()
    except UnicodeError:
        return str(alias)


def get_adapter_name_from_request(output: BaseLoRATransformRequestOutput) -> str | None:
    """The name by priority: path, then what the translation found, then the identifier header."""
    return (
        get_adapter_name_from_request_path(output.raw_request)
        or output.adapter_name
        or get_adapter_name_from_request_header(output.raw_request)
    )
