"""Engine profiles: how one engine names what a client of the SageMaker contract sends."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from serving.errors import EngineProfileInvalid
from serving.sagemaker.constants import LoRAHandlerType
from serving.sagemaker.handlers import inject_adapter_id
from serving.sagemaker.registry import Registry
from serving.sagemaker.transforms import get_transform_cls_from_handler_type

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,38}[a-z0-9]")
_SHAPES = (
    ("register", LoRAHandlerType.REGISTER_ADAPTER),
    ("unregister", LoRAHandlerType.UNREGISTER_ADAPTER),
)
MAX_SHAPE_LEAVES = 60
MAX_SHAPE_DEPTH = 6
# What the registry's own door needs to be told, whatever else a shape names.
DOOR_NEEDS = {"register_request_shape": ("name", "src"), "unregister_request_shape": ("name",)}


@dataclass(frozen=True, kw_only=True)
class EngineProfile:
    """Shapes of one engine. An empty response shape: the contract's fixed texts.

    ``adapter_path``: the field of an inference body that names the adapter; with ``is_appended``
    the adapter comes behind what stands there, with ``separator`` between.
    """

    name: str
    title: str = ""
    register_request_shape: Mapping[str, Any] = field(default_factory=dict)
    register_response_shape: Mapping[str, Any] = field(default_factory=dict)
    unregister_request_shape: Mapping[str, Any] = field(default_factory=dict)
    unregister_response_shape: Mapping[str, Any] = field(default_factory=dict)
    adapter_path: str = "model"
    is_appended: bool = False
    separator: str = ""

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """A profile whose every shape can work.

        Raises:
            EngineProfileInvalid: ``errors`` names each field that is wrong.
        """
        made = cls(**values)
        errors = [
            {"pointer": f"/{key}", "message": said}
            for key, said in (*made._plain_faults(), *made._shape_faults())
        ]
        if errors:
            first = errors[0]
            raise EngineProfileInvalid(
                f"{first['pointer']}: {first['message']}.",
                fix="Mend the fields in errors.",
                errors=errors,
            )
        return made

    @property
    def door_fault(self) -> str:
        """Why the registry's own door can't work with this profile; empty where it can."""
        for name, needed in DOOR_NEEDS.items():
            for target in needed:
                if not isinstance(getattr(self, name).get(target), str):
                    return f"{name} has no field {target} at its top"
        if self.adapter_path != "model" or self.is_appended:
            return "the gateway reads the adapter from the field model, and puts nothing behind it"
        return ""

    def as_json(self) -> dict[str, Any]:
        """All values."""
        return asdict(self)

    def _plain_faults(self) -> list[tuple[str, str]]:
        found = []
        if not _NAME.fullmatch(self.name):
            found.append(("name", "should have 2 to 40 lower-case letters, digits and hyphens"))
        if len(self.title) > 200:
            found.append(("title", "should have at most 200 characters"))
        if len(self.separator) > 20:
            found.append(("separator", "should have at most 20 characters"))
        try:
            inject_adapter_id(
                self.adapter_path,
                self.is_appended,
                self.separator if self.is_appended or self.separator else None,
                registry=Registry(),
            )
        except ValueError as error:
            found.append(("adapter_path", str(error)))
        return found

    def _shape_faults(self) -> list[tuple[str, str]]:
        found = []
        for name, handler_type in _SHAPES:
            request_name, response_name = f"{name}_request_shape", f"{name}_response_shape"
            request_shape, response_shape = (
                getattr(self, request_name),
                getattr(self, response_name),
            )
            faults = [
                (key, said)
                for key, shape in ((request_name, request_shape), (response_name, response_shape))
                if (said := _form_fault(shape))
            ]
            if not faults:
                transform = get_transform_cls_from_handler_type(handler_type, registry=Registry())
                for key, args in (
                    (request_name, (request_shape, None)),
                    (response_name, ({}, response_shape)),
                ):
                    try:
                        transform(*args)
                    except ValueError as error:
                        faults.append((key, str(error)))
            found += faults
        return found


def _form_fault(shape: Any) -> str:
    """Why a shape is no object of objects and texts; the toolkit only warns of other leaves."""
    leaves = 0
    todo = [(shape, 1)]
    while todo:
        value, depth = todo.pop()
        if isinstance(value, Mapping):
            if depth > MAX_SHAPE_DEPTH:
                return f"should be nested at most {MAX_SHAPE_DEPTH} deep"
            todo += [(item, depth + 1) for item in value.values()]
        elif not isinstance(value, str) or depth == 1:
            return "should be an object of fields and JMESPath expressions"
        else:
            leaves += 1
    return "" if leaves <= MAX_SHAPE_LEAVES else f"should have at most {MAX_SHAPE_LEAVES} fields"


FIELDS = tuple(each.name for each in fields(EngineProfile))
SHAPE_FIELDS = tuple(name for name in FIELDS if name.endswith("_shape"))
PACKAGED: Mapping[str, EngineProfile] = {
    profile.name: profile
    for profile in (
        EngineProfile(
            name="formulary",
            title="Formulary's own node and registry",
            register_request_shape={
                "name": "body.name",
                "src": "body.src",
                "preload": "body.preload",
                "pin": "body.pin",
            },
            unregister_request_shape={"name": "path_params.adapter_name"},
        ),
        EngineProfile(
            name="vllm",
            title="vLLM's load_lora_adapter and unload_lora_adapter",
            register_request_shape={
                "lora_name": "body.name",
                "lora_path": "body.src",
                "load_inplace": "body.load_inplace || `false`",
            },
            unregister_request_shape={"lora_name": "path_params.adapter_name"},
        ),
    )
}
DEFAULT = "formulary"
