"""The bytes of files that came with a form."""

from typing import BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile


def stream_of(file: UploadedFile) -> BinaryIO:
    """The bytes of an uploaded file, from their first one on; the request closes it."""
    # Uploads are opened in binary mode always, which the declared type leaves open.
    stream = cast(BinaryIO, file.file)
    stream.seek(0)
    return stream
