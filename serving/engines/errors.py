"""What an engine refuses, and why."""

from config.core.errors import Conflict, DomainError, ErrorKind, NotFound, Unavailable


class AdapterUnknown(NotFound):
    """No adapter of that name is published on this engine; the base never answers for it."""

    code = "replica_unknown"
    title = "The adapter is not loaded on this node"


class SlotsFull(Conflict):
    """Every slot is taken, or waits for its last answer before it is zeroed."""

    code = "slots_full"
    title = "No slot is free on this node"


class NameTaken(Conflict):
    """The name is published with other bytes."""

    code = "name_taken"
    title = "The name stands for another digest on this node"


class AdapterUnloadable(DomainError):
    """This engine can't compute this adapter; the message names what it lacks."""

    code = "adapter_unloadable"
    title = "The adapter can't be loaded on this engine"
    kind = ErrorKind.UNPROCESSABLE


class PromptTooLong(DomainError):
    """Prompt and asked answer do not fit the model's length."""

    code = "prompt_too_long"
    title = "The prompt is too long for this model"
    kind = ErrorKind.UNPROCESSABLE


class RequestInvalid(DomainError):
    """The request for an answer is malformed or out of range."""

    code = "invalid"
    title = "The request is not valid"
    kind = ErrorKind.INVALID


class BaseUnsupported(DomainError):
    """This engine does not know the architecture or a feature of this base model."""

    code = "base_unsupported"
    title = "The base model can't be served by this engine"
    kind = ErrorKind.UNPROCESSABLE


class EngineRefused(DomainError):
    """The engine may not run here, or not with these settings."""

    code = "engine_refused"
    title = "The engine may not be started"
    kind = ErrorKind.INVALID


class AnswerFailed(Unavailable):
    """The answer broke off inside the engine (non-finite numbers, or the engine is gone)."""

    code = "answer_failed"
    title = "The answer could not be finished"
