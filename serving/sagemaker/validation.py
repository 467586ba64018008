"""The fields of a registration: what is asked of them, and what is said when they lack it."""

import re
from collections.abc import Mapping
from typing import Any

from serving.sagemaker.constants import MAX_NAME_LETTERS
from serving.sagemaker.errors import FieldsInvalid
from serving.sagemaker.models import RegisterRequest

NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_LETTERS - 1}}}")
UUID_SHAPED = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.I)
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "off", "f", "false", "n", "no"})
_DIGITS: dict[float, str] = {0: "0", 1: "1"}
_Fault = dict[str, Any]


def name_fault(name: str) -> str | None:
    """What is wrong with an adapter's name; None where nothing is."""
    if UUID_SHAPED.fullmatch(name):
        return "The parameter name cannot have the shape of a UUID"
    if not NAME.fullmatch(name):
        return (
            f"The parameter name must have 1 to {MAX_NAME_LETTERS} letters, digits, '.', '_' "
            "or '-', a letter or digit first"
        )
    return None


def read_register_request(data: Any) -> RegisterRequest:
    """The fields of a registration; others are not looked at.

    Raises:
        FieldsInvalid: with every fault of every field, and no value.
    """
    if not isinstance(data, Mapping):
        fault = _fault("model_type", None, "Input should be an object with name and src")
        raise FieldsInvalid([fault])
    faults: list[_Fault] = []
    name = _text(data, "name", faults)
    src = _text(data, "src", faults)
    preload = _flag(data, "preload", faults, default=True)
    pin = _flag(data, "pin", faults, default=False)
    if faults:
        raise FieldsInvalid(faults)
    return RegisterRequest(name=name, src=src, preload=preload, pin=pin)


def unreadable_fields(error: ValueError) -> FieldsInvalid:
    """The refusal of a body whose fields can't be told; ``error`` says why."""
    return FieldsInvalid([_fault("json_invalid", None, f"JSON decode error: {error}")])


def _fault(kind: str, field: str | None, message: str) -> _Fault:
    return {"type": kind, "loc": [] if field is None else [field], "msg": message}


def _text(data: Mapping[str, Any], field: str, faults: list[_Fault]) -> str:
    if field not in data:
        faults.append(_fault("missing", field, "Field required"))
        return ""
    value = data[field]
    if not isinstance(value, str):
        faults.append(_fault("string_type", field, "Input should be a valid string"))
        return ""
    said = None
    if not value.strip():
        said = f"The parameter {field} cannot be an empty string"
    elif field == "name":
        said = name_fault(value)
    elif not value.isprintable():
        said = f"The parameter {field} cannot hold control characters"
    if said:
        faults.append(_fault("value_error", field, f"Value error, {said}"))
    return value


def _flag(data: Mapping[str, Any], field: str, faults: list[_Fault], *, default: bool) -> bool:
    value = data.get(field, default)
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        word = value.lower() if isinstance(value, str) else _DIGITS.get(value)
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        said = "Input should be a valid boolean, unable to interpret input"
        faults.append(_fault("bool_parsing", field, said))
    else:
        faults.append(_fault("bool_type", field, "Input should be a valid boolean"))
    return default
