"""What kind of installation this is, where its state lies and who runs it first."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parents[2]
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

PORT = env.int("PORT", default=8000)
FORMULARY_URL = env.str("FORMULARY_URL", default="") or f"http://127.0.0.1:{PORT}"

APP_VERSION = "0.1.0"
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = None
SILENCED_SYSTEM_CHECKS: list[str] = []
AUDITLOG_DISABLE_REMOTE_ADDR = True
