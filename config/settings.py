"""Settings: typed reads of the environment; a wrong value fails at start and names itself."""

import os
import re
import secrets
import warnings
from pathlib import Path

import environ

from config.console.unfold import UNFOLD  # noqa: F401 - a setting
from config.core import store_settings
from config.core.egress_rules import Rules
from deliveries.domain.commands import read_commands
from deliveries.domain.composing import NullOrdinal
from deliveries.domain.token_format import TokenFormat

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if (BASE_DIR / ".env").is_file():
    env.read_env(BASE_DIR / ".env")

FORMULARY_ENV = env.str("FORMULARY_ENV", default="development")
if FORMULARY_ENV not in {"development", "test", "production"}:
    raise environ.ImproperlyConfigured(
        f"FORMULARY_ENV is {FORMULARY_ENV!r}; it must be development, test or production"
    )
IS_PRODUCTION = FORMULARY_ENV == "production"
DEBUG = False
FORMULARY_HOME = Path(env.str("FORMULARY_HOME", default="var"))
if not FORMULARY_HOME.is_absolute():
    FORMULARY_HOME = BASE_DIR / FORMULARY_HOME
# What `make run` or `make demo` has started there, for commands in another shell.
if (FORMULARY_HOME / "running.env").is_file():
    env.read_env(FORMULARY_HOME / "running.env")
# Unpacked base models; elsewhere where the rest of the state is wiped and they are to stay.
MODELS_FOLDER = BASE_DIR / (env.str("FORMULARY_MODELS", default="") or FORMULARY_HOME / "models")
FORMULARY_ADMIN_USER = env.str("FORMULARY_ADMIN_USER", default="")
FORMULARY_ADMIN_PASSWORD = env.str("FORMULARY_ADMIN_PASSWORD", default="")


def _secret_key() -> str:
    given = env.str("SECRET_KEY", default="")
    if given:
        return given
    if IS_PRODUCTION:
        raise environ.ImproperlyConfigured("SECRET_KEY is not set; production needs one")
    path = FORMULARY_HOME / "keys" / "django.key"
    if not path.is_file():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".django.key.{os.getpid()}")
        beside.write_text(secrets.token_urlsafe(48))
        beside.chmod(0o600)
        if not path.is_file():
            beside.rename(path)
    return path.read_text()


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PORT = env.int("PORT", default=8000)
FORMULARY_URL = env.str("FORMULARY_URL", default="") or f"http://127.0.0.1:{PORT}"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "config.console",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "auditlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "django_prometheus",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "config.core",
    "config.accounts",
    "registry",
    "compliance",
    "serving",
    "deliveries",
]

MIDDLEWARE = [
    "config.core.middleware.RequestIdMiddleware",
    "serving.api.open_paths.OpenPaths",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "auditlog.middleware.AuditlogMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASE_URL = env.str("DATABASE_URL", default="")
if DATABASE_URL:
    DATABASES = {"default": env.db_url("DATABASE_URL")}
    if "postgresql" in DATABASES["default"]["ENGINE"]:
        DATABASES["default"]["CONN_MAX_AGE"] = 0
        DATABASES["default"]["OPTIONS"] = {
            # reconnect_timeout ends the pool's growing waits: a database that was away for
            # minutes is found again within seconds.
            "pool": {"min_size": 1, "max_size": 12, "timeout": 10, "reconnect_timeout": 10},
            # A process that hangs in the middle of a transaction lets go of its locks: nobody, and
            # no stop, waits for it longer.
            "options": "-c idle_in_transaction_session_timeout=30000",
        }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FORMULARY_HOME / "formulary.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 10,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"

REDIS_URL = env.str("REDIS_URL", default="")
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}

# Sign-in: allauth with second factors; the console's own login page leads there.
AUTHENTICATION_BACKENDS = ["config.accounts.backends.RoleBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/console/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "config.accounts.adapters.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Consoles stand in wards: a session ends with the browser, and nobody is asked to be remembered.
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {"login_failed": "20/m/ip,5/5m/key"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ADAPTER = "config.accounts.adapters.EncryptedMfaAdapter"
MFA_TOTP_ISSUER = "Formulary"
MFA_TOTP_TOLERANCE = 1
MFA_FORMS = {
    "authenticate": "config.accounts.forms.SpendingAuthenticateForm",
    "reauthenticate": "config.accounts.forms.SpendingReauthenticateForm",
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = env.bool("SESSION_COOKIE_SECURE", default=IS_PRODUCTION)
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=IS_PRODUCTION)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31536000 if IS_PRODUCTION else 0)
# The header in which a TLS proxy says that the request came over HTTPS; it must always set it.
_proxy_header = env.str("SECURE_PROXY_SSL_HEADER", default="")
if _proxy_header and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,62}", _proxy_header):
    raise environ.ImproperlyConfigured(
        f"SECURE_PROXY_SSL_HEADER is {_proxy_header!r}: the name of a header, X-Forwarded-Proto say"
    )
SECURE_PROXY_SSL_HEADER = (
    (f"HTTP_{_proxy_header.upper().replace('-', '_')}", "https") if _proxy_header else None
)
# What Prometheus sends as its bearer token; without it /metrics tells nothing.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
API_TOKEN_MAX_DAYS = 90

# The console's site adds what unfold needs (config/console/sites.py); everything else is strict.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}

LANGUAGE_CODE = "en"
# A language is offered once locale/ holds its catalogue (docs/console.md).
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Files are found in the packages too, so a folder of collected ones need not be there.
WHITENOISE_USE_FINDERS = True
warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
# A server reads the list of files once; tests make an application each, and look when asked.
WHITENOISE_AUTOREFRESH = FORMULARY_ENV == "test"

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

# Work whose worker has been silent for so long is taken over; workers beat each second.
WORK_TAKE_OVER_SECONDS = env.float("WORK_TAKE_OVER_SECONDS", default=10.0)
if WORK_TAKE_OVER_SECONDS < 3:
    raise environ.ImproperlyConfigured(
        "WORK_TAKE_OVER_SECONDS is below 3: workers beat each second"
    )
# How often beat looks for checks and evaluations that nobody works on.
SWEEP_SECONDS = env.float("SWEEP_SECONDS", default=5.0)
# Checkpoints of trainings; workers on several machines need one file system for it.
TRAINING_FOLDER = Path(env.str("TRAINING_FOLDER", default="") or FORMULARY_HOME / "training")
# A training is written down so often, besides after every ``save_steps`` steps.
TRAINING_CHECKPOINT_SECONDS = env.float("TRAINING_CHECKPOINT_SECONDS", default=30.0)
# How long a request to train waits for the end when the caller does not say; 0: not at all.
TRAIN_SYNC_WAIT = env.float("TRAIN_SYNC_WAIT", default=0.0)
# So many trainings one account may begin within an hour.
TRAINING_RUNS_PER_HOUR = env.int("TRAINING_RUNS_PER_HOUR", default=10)
# The base model of avatars' adapters; without it the only one that is registered.
AVATAR_BASE_MODEL = env.str("AVATAR_BASE_MODEL", default="")
LEASE_TTL_SECONDS = env.int("LEASE_TTL_SECONDS", default=60)
LEASE_RENEW_SECONDS = env.int("LEASE_RENEW_SECONDS", default=20)
# The tree head of the audit trail is signed so often while the trail grows.
CHECKPOINT_SECONDS = env.float("CHECKPOINT_SECONDS", default=60.0)
# Checkpoints of the audit trail go here, beside and not into the database.
CHECKPOINT_FOLDER = Path(env.str("CHECKPOINT_FOLDER", default="") or FORMULARY_HOME / "checkpoints")

# Hosts and networks that outgoing calls may reach (config/core/egress_rules.py).
EGRESS_ALLOW = env.list("EGRESS_ALLOW", default=[])
try:
    Rules.parse(EGRESS_ALLOW)
except ValueError as _error:
    raise environ.ImproperlyConfigured(f"EGRESS_ALLOW: {_error}") from None
# Name and argument list of what the cli channel may run.
DELIVERY_COMMANDS = env.json("DELIVERY_COMMANDS", default={})
try:
    read_commands(DELIVERY_COMMANDS)
except ValueError as _error:
    raise environ.ImproperlyConfigured(f"DELIVERY_COMMANDS: {_error}") from None
DELIVERY_S3_BUCKET = env.str("DELIVERY_S3_BUCKET", default="")
DELIVERY_S3_PREFIX = env.str("DELIVERY_S3_PREFIX", default="deliveries")
# Of one try, from resolving the name to the last byte of the answer.
DELIVERY_TIMEOUT_SECONDS = env.float("DELIVERY_TIMEOUT_SECONDS", default=30.0)
DELIVERY_RATE_PER_MINUTE = env.int("DELIVERY_RATE_PER_MINUTE", default=600)
# The texts of a delivery are removed so long after its end.
DELIVERY_TEXT_DAYS = env.int("DELIVERY_TEXT_DAYS", default=30)

# The LoRA manager: files that entries may name, how prompts are composed, where metadata goes.
LORA_FILE_ROOTS = [
    Path(root) for root in env.list("LORA_FILE_ROOTS", default=[]) or [FORMULARY_HOME / "loras"]
]
if not all(root.is_absolute() for root in LORA_FILE_ROOTS):
    raise environ.ImproperlyConfigured("LORA_FILE_ROOTS must hold absolute folders")
# With STORAGE_TYPE=s3; empty: the blobs' own bucket.
LORA_S3_BUCKETS = env.list("LORA_S3_BUCKETS", default=[])
# Larger files are hashed by a worker; the request is answered with 202.
LORA_HASH_AT_ONCE_BYTES = env.int("LORA_HASH_AT_ONCE_BYTES", default=256 * 1024**2)
COMPOSE_NULL_ORDINAL = env.str("COMPOSE_NULL_ORDINAL", default="last")
if COMPOSE_NULL_ORDINAL not in set(NullOrdinal):
    raise environ.ImproperlyConfigured(
        f"COMPOSE_NULL_ORDINAL is {COMPOSE_NULL_ORDINAL!r}: last or zero"
    )
COMPOSE_TOKEN_FORMAT = env.str("COMPOSE_TOKEN_FORMAT", default="<lora:{name}:{weight:.3f}>")
try:
    TokenFormat.parse(COMPOSE_TOKEN_FORMAT)
except ValueError as _error:
    raise environ.ImproperlyConfigured(f"COMPOSE_TOKEN_FORMAT: {_error}") from None
COMPOSE_RATE_PER_MINUTE = env.int("COMPOSE_RATE_PER_MINUTE", default=600)
if COMPOSE_RATE_PER_MINUTE < 1:
    raise environ.ImproperlyConfigured("COMPOSE_RATE_PER_MINUTE must be 1 or more")
METADATA_SYNC = env.bool("METADATA_SYNC", default=False)
METADATA_STORAGE = env.str("METADATA_STORAGE", default="s3")
if METADATA_STORAGE != "s3":
    raise environ.ImproperlyConfigured(f"METADATA_STORAGE is {METADATA_STORAGE!r}: s3 alone")
METADATA_BUCKET = env.str("METADATA_BUCKET", default="lora-metadata")
METADATA_PREFIX = env.str("METADATA_PREFIX", default="metadata")
METADATA_S3_ENDPOINT = STORE.endpoint_url
METADATA_S3_REGION = STORE.region
# How long the signed address of a preview holds; a week is the most that S3 allows.
METADATA_PREVIEW_SECONDS = env.int("METADATA_PREVIEW_SECONDS", default=7 * 24 * 3600)
if not 1 <= METADATA_PREVIEW_SECONDS <= 7 * 24 * 3600:
    raise environ.ImproperlyConfigured("METADATA_PREVIEW_SECONDS must be 1 to 604800")
CIVITAI_VALIDATE_URL = env.str("CIVITAI_VALIDATE_URL", default="")
CIVITAI_API_KEY = env.str("CIVITAI_API_KEY", default="")
# Of one question, from resolving the name to the last byte of the answer.
CIVITAI_TIMEOUT_SECONDS = env.float("CIVITAI_TIMEOUT_SECONDS", default=30.0)
if CIVITAI_VALIDATE_URL and not CIVITAI_API_KEY:
    raise environ.ImproperlyConfigured("CIVITAI_VALIDATE_URL is set and CIVITAI_API_KEY is not")

# How long POST /adapters waits until what it registers is loaded; 0: it answers 202 at once.
SAGEMAKER_REGISTER_WAIT_SECONDS = env.float("SAGEMAKER_REGISTER_WAIT_SECONDS", default=30.0)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "config.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "config.core.parsers.StrictJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.core.problems.exception_handler",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Formulary",
    "DESCRIPTION": "The registry that a hospital trusts with its medical LoRA adapters.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["config.contracts_schema.at_the_root"],
    "POSTPROCESSING_HOOKS": [
        "config.contracts_schema.join_shared_paths",
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.accounts.api.schema.add_idempotency_key",
        "config.accounts.api.schema.add_common_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "DeliveryStatusEnum": ["pending", "running", "retrying", "succeeded", "failed"],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 2 * 3600,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
    # A broker that is away must not hold a web request.
    "socket_connect_timeout": 2,
    "max_retries": 1,
    "interval_start": 0,
    "socket_timeout": 30,
}
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_ROUTES = {
    "compliance.tasks.*": {"queue": "checks"},
    "serving.tasks.run_evaluation": {"queue": "evaluations"},
    "registry.tasks.train": {"queue": "training"},
    "deliveries.tasks.run_delivery": {"queue": "deliveries"},
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

APP_VERSION = "0.1.0"
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = None
SILENCED_SYSTEM_CHECKS: list[str] = []
AUDITLOG_DISABLE_REMOTE_ADDR = True
