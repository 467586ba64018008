"""Reads package uploads: streamed to temporary files, paths kept, bytes counted."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser as DjangoMultiPartParser
from django.http.multipartparser import MultiPartParserError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, DataAndFiles

from config.accounts.api.base import RequestTooLarge
from config.core.errors import NoRoom
from config.core.storage import full_disk_named
from config.core.uploaded import stream_of
from registry.sources.archives import ArchiveSource
from registry.sources.base import PackageSource
from registry.sources.files import FilesSource, GivenFile

# Room for the multipart borders and the text fields beside the files.
ENVELOPE_BYTES = 8 << 20


class _PathKeepingHandler(TemporaryFileUploadHandler):
    """Writes each file to disk, keeps the path it was sent with, and counts all bytes."""

    def __init__(self, maximum_bytes: int) -> None:
        super().__init__()
        self._left_bytes = maximum_bytes
        self._path = ""

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin a file; its name on our disk has nothing of the sender's in it."""
        self._path = file_name
        super().new_file(field_name, "upload", *args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece unless the upload is larger than allowed."""
        self._left_bytes -= len(raw_data)
        if self._left_bytes < 0:
            raise _too_large()
        with self._full_disk_named():
            super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """The file with the path it was sent with."""
        with self._full_disk_named():
            file = super().file_complete(file_size)
        if file is not None:
            file.package_path = self._path  # type: ignore[attr-defined]
        return file

    @contextmanager
    def _full_disk_named(self) -> Iterator[None]:
        try:
            with full_disk_named("for temporary files (TMPDIR)"):
                yield
        except NoRoom:
            # Closing writes what is left in the buffer, which fails once more.
            with suppress(OSError):
                self.file.close()
            raise


class _Parser(DjangoMultiPartParser):
    """Django's parser, which would strip folders from file names and drop odd names silently."""

    def sanitize_file_name(self, file_name: str) -> str:
        # The package's guards judge the path; it never becomes a path on our disk.
        return file_name


class PackageParser(BaseParser):
    """``multipart/form-data`` whose files may have relative paths as names."""

    media_type = "multipart/form-data"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> "DataAndFiles[Any, Any]":
        """Fields and files.

        Raises:
            ParseError: it is not well-formed multipart.
            RequestTooLarge: it has more bytes than UPLOAD_MAX_BYTES.
            NoRoom: the disk of temporary files is full.
        """
        request = (parser_context or {})["request"]
        meta = request.META.copy()
        meta["CONTENT_TYPE"] = media_type
        maximum_bytes = settings.UPLOAD_MAX_BYTES
        if int(meta.get("CONTENT_LENGTH") or 0) > maximum_bytes + ENVELOPE_BYTES:
            raise _too_large()
        try:
            parser = _Parser(
                meta, stream, [_PathKeepingHandler(maximum_bytes)], settings.DEFAULT_CHARSET
            )
            data, files = parser.parse()
        except MultiPartParserError as error:
            raise ParseError(f"The multipart body is malformed: {error}") from error
        except SuspiciousOperation as error:
            raise RequestTooLarge(str(error), fix="Send fewer parts in one request.") from error
        return DataAndFiles(data, files)


def take_unannounced_body(request: HttpRequest) -> None:
    """Let a body that is sent in chunks, without a length, be parsed.

    Django and REST framework would take it for empty; the parser counts the bytes anyway.
    """
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        request.META.setdefault("CONTENT_LENGTH", settings.UPLOAD_MAX_BYTES)


def source_of(
    files: Sequence[UploadedFile], archive: UploadedFile | None, paths: Sequence[str]
) -> PackageSource:
    """The package in an upload: one archive, or files with their paths.

    ``paths`` stands for the files' own names, in the same order, for clients that strip folders.
    """
    if archive is not None:
        return ArchiveSource(stream_of(archive))
    names = list(paths) or [str(getattr(file, "package_path", file.name)) for file in files]
    return FilesSource(
        [
            GivenFile(name, file.size or 0, partial(stream_of, file))
            for name, file in zip(names, files, strict=True)
        ]
    )


def _too_large() -> RequestTooLarge:
    return RequestTooLarge(
        f"The upload has more than {settings.UPLOAD_MAX_BYTES} bytes.",
        fix="Upload the adapter alone, without the base model and optimizer states; the limit is "
        "the setting UPLOAD_MAX_BYTES.",
    )
