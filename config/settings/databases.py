"""The database and the cache."""

import environ

from config.core.database_limits import UNLIMITED, Limits

from .house import FORMULARY_HOME, env

# The entry points say what they are (config/asgi.py, config/celery.py, manage.py); of workers, the
# control loop is ``worker`` and Celery's, one task at a time, are ``tasks``.
FORMULARY_PROCESS = env.str("FORMULARY_PROCESS", default="command")
try:
    _LIMITS = {
        "web": Limits(
            statement_seconds=env.float("WEB_STATEMENT_SECONDS", default=30.0),
            lock_seconds=env.float("WEB_LOCK_SECONDS", default=15.0),
        ),
        "worker": Limits(
            statement_seconds=env.float("WORKER_STATEMENT_SECONDS", default=600.0),
            lock_seconds=env.float("WORKER_LOCK_SECONDS", default=60.0),
        ),
        "command": UNLIMITED,
    }
    _LIMITS["tasks"] = _LIMITS["worker"]
except ValueError as _error:
    raise environ.ImproperlyConfigured(
        f"WEB_STATEMENT_SECONDS, WEB_LOCK_SECONDS, WORKER_STATEMENT_SECONDS, WORKER_LOCK_SECONDS: "
        f"{_error}"
    ) from None
if FORMULARY_PROCESS not in _LIMITS:
    raise environ.ImproperlyConfigured(
        f"FORMULARY_PROCESS is {FORMULARY_PROCESS!r}; it must be web, worker, tasks or command"
    )

DATABASE_URL = env.str("DATABASE_URL", default="")
if DATABASE_URL:
    DATABASES = {"default": env.db_url("DATABASE_URL")}
    if "postgresql" in DATABASES["default"]["ENGINE"]:
        DATABASES["default"]["CONN_MAX_AGE"] = 0
        DATABASES["default"]["OPTIONS"] = {"options": _LIMITS[FORMULARY_PROCESS].options()}
        if FORMULARY_PROCESS == "tasks":
            # Celery closes all connections, and a pool with its threads, around each task: a plain
            # connection costs a fraction of a pool that is made anew for every one.
            DATABASES["default"]["OPTIONS"]["connect_timeout"] = 10
        else:
            # reconnect_timeout ends the pool's growing waits: a database that was away for
            # minutes is found again within seconds.
            DATABASES["default"]["OPTIONS"]["pool"] = {
                "min_size": 1,
                "max_size": 12,
                "timeout": 10,
                "reconnect_timeout": 10,
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

REDIS_URL = env.str("REDIS_URL", default="")
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}
