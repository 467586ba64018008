"""Work in the background: workers, trainings, leases, checkpoints, Celery."""

from pathlib import Path

import environ

from .databases import REDIS_URL
from .house import FORMULARY_HOME, env

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
