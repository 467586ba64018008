"""Where bytes lie, how long what nothing needs is kept, and how much may be uploaded."""

import environ

from config.core import store_settings

from .house import FORMULARY_HOME, env

STORE = store_settings.read(env)
STORAGE_TYPE = "s3" if STORE.is_s3 else "filesystem"
if STORE.is_s3:
    _blobs = STORE.as_django()
else:
    _blobs = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": FORMULARY_HOME / "blobs", "file_permissions_mode": 0o440},
    }
STORAGES = {
    "default": _blobs,
    "blobs": _blobs,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Bytes that nothing needs are erased when they have been so for as many days.
GARBAGE_GRACE_DAYS = env.float("GARBAGE_GRACE_DAYS", default=7.0)
if GARBAGE_GRACE_DAYS < 1:
    raise environ.ImproperlyConfigured(
        "GARBAGE_GRACE_DAYS is below 1: an upload in chunks may take a day"
    )
# An artifact that another one has replaced is dropped after as many days.
ARTIFACT_RETENTION_DAYS = env.int("ARTIFACT_RETENTION_DAYS", default=365)
if ARTIFACT_RETENTION_DAYS < 0:
    raise environ.ImproperlyConfigured("ARTIFACT_RETENTION_DAYS must not be negative")
# A backup of an avatar is dropped after as many days; its newest one never is.
AVATAR_BACKUP_RETENTION_DAYS = env.int("AVATAR_BACKUP_RETENTION_DAYS", default=365)
if AVATAR_BACKUP_RETENTION_DAYS < 1:
    raise environ.ImproperlyConfigured("AVATAR_BACKUP_RETENTION_DAYS must be 1 or more")
# What the Lambda function (registry/lambda_function.py) uses for events without credentials.
LAMBDA_TOKEN = env.str("LAMBDA_TOKEN", default="")
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=4 * 1024**3)
# Of one account: unfinished uploads, and bytes that arrived in chunks and no version uses yet.
UPLOAD_OPEN_MAX = env.int("UPLOAD_OPEN_MAX", default=50)
UPLOAD_QUOTA_BYTES = env.int("UPLOAD_QUOTA_BYTES", default=16 * 1024**3)
# Unfinished files; on the blobs' file system a whole one is stored without being copied.
UPLOAD_FOLDER = FORMULARY_HOME / "uploads"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024**2
# Not 0: under ASGI that means "hold every request body in memory", never on disk.
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024**2
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = None
