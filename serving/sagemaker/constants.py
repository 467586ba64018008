"""The words of the contract: operations, headers, sentences."""

from enum import StrEnum
from typing import Final

MODEL_SERVER_ERROR: Final = "Internal Server Error"
MAX_NAME_LETTERS: Final = 63


class LoRAHandlerType(StrEnum):
    """The operations that the contract knows; more can be added (``Registry.add_transform``)."""

    REGISTER_ADAPTER = "register_adapter"
    UNREGISTER_ADAPTER = "unregister_adapter"
    INJECT_ADAPTER_ID = "inject_adapter_id"


class SageMakerHandlerName(StrEnum):
    """Handlers of the container that are no LoRA operations."""

    PING = "ping"
    INVOKE = "invoke"


class SageMakerLoRAApiHeader(StrEnum):
    """Headers with which a caller names an adapter."""

    ADAPTER_IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
    ADAPTER_ALIAS = "X-Amzn-SageMaker-Adapter-Alias"


class ResponseMessage(StrEnum):
    """Sentences of the contract, and what an engine says when the adapter is at fault."""

    ADAPTER_REGISTERED = "Adapter {alias} registered"
    ADAPTER_UNREGISTERED = "Adapter {alias} unregistered"
    ADAPTER_UPDATED = "Adapter {alias} updated"
    ADAPTER_NOT_FOUND = "The adapter {alias} was not found"
    ADAPTER_INVALID_WEIGHTS = "doesn't contain tensors"
    ADAPTER_MAX_LORA_RANK = "greater than max_lora_rank"


ADAPTER_FAULTS: Final = (
    ResponseMessage.ADAPTER_INVALID_WEIGHTS,
    ResponseMessage.ADAPTER_MAX_LORA_RANK,
)
