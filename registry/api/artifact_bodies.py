"""Reads what is uploaded as an artifact: a form with a file, or the body itself."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from config.core.digests import CHUNK_BYTES
from config.core.errors import NoRoom
from registry.domain.artifacts import base_name, choose_name, extension_for
from registry.storage_errors import ArtifactBodyMissing, ArtifactNotStored, ArtifactTooLarge

FORM = "multipart/form-data"


@dataclass(frozen=True)
class Given:
    """What came: for which model, the file's name (perhaps made up) and its bytes in pieces."""

    name: str
    file_name: str
    pieces: Iterator[bytes]


def read(request: Request, kind: str) -> Given:
    """The upload in the request.

    A body that is said to be a form and names no border can't be one: it is taken as it is.

    Raises:
        ArtifactBodyMissing: there is no file.
        ArtifactNotStored: a form's file met a full disk.
        ParseError: the form is malformed, or has several files.
    """
    media_type, parameters = parse_header_parameters(request.headers.get("Content-Type", ""))
    if media_type == FORM and "boundary" in parameters:
        return _read_form(request, kind)
    return _read_raw(request, kind, media_type)


def _read_form(request: Request, kind: str) -> Given:
    try:
        fields = request.data
    except NoRoom as error:
        raise ArtifactNotStored(error.message, fix=error.fix) from error
    name = fields.get("model_name", "") if isinstance(fields, Mapping) else ""
    files = request.FILES.getlist("file")
    if not files:
        raise ArtifactBodyMissing(
            "The form has no file.", fix="Send the file in the field file, with a file name."
        )
    if len(files) > 1 or not isinstance(name, str):
        raise ParseError("The form has several files; send one file a request.")
    file: UploadedFile = files[0]
    file_name = base_name(str(getattr(file, "package_path", file.name)))
    return Given(
        choose_name(form=name, header="", file_name=file_name, made=_made_name()),
        file_name or kind,
        iter(file.chunks(CHUNK_BYTES)),
    )


def _read_raw(request: Request, kind: str, media_type: str) -> Given:
    _, disposition = parse_header_parameters(request.headers.get("Content-Disposition", ""))
    file_name = base_name(disposition.get("filename", ""))
    header = _as_utf_8(request.headers.get("X-Model-Name", ""))
    return Given(
        choose_name(form="", header=header, file_name=file_name, made=_made_name()),
        file_name or f"{kind}{extension_for(media_type)}",
        _raw_pieces(request),
    )


def _raw_pieces(request: Request) -> Iterator[bytes]:
    # The stream is None where the body is announced as empty.
    left_bytes = settings.UPLOAD_MAX_BYTES
    while request.stream is not None and (piece := request.stream.read(CHUNK_BYTES)):
        left_bytes -= len(piece)
        if left_bytes < 0:
            raise ArtifactTooLarge(
                f"The file has more than {settings.UPLOAD_MAX_BYTES} bytes.",
                fix="Leave out what is not needed; the limit is the setting UPLOAD_MAX_BYTES.",
            )
        yield piece


def _as_utf_8(header: str) -> str:
    """A header's text: servers hand on its bytes as Latin-1, clients mean UTF-8."""
    with suppress(UnicodeError):
        return header.encode("latin-1").decode()
    return header


def _made_name() -> str:
    return f"model-{uuid4().hex[:8]}"
