"""The Celery app: queues, beat, logging."""

import os
import signal
from typing import Any

from celery import Celery
from celery.signals import (
    after_task_publish,
    beat_init,
    heartbeat_sent,
    setup_logging,
    worker_process_init,
)
from django.conf import settings

from config.core.starting import undisturbed_imports
from config.stack.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# A process that has read its settings already is something else, and so are those that it starts.
IS_WORKER = not settings.configured
if IS_WORKER:
    os.environ["FORMULARY_PROCESS"] = "tasks"
app = Celery("formulary")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# The current app is kept by thread; without this, threads of the web server would get an
# unconfigured one and send their tasks nowhere.
app.set_default()


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    """Keep our own log form: Celery must not install its own handlers."""
    from config.core.logs import configure

    configure()


@worker_process_init.connect
def _die_with_worker(**_: object) -> None:
    """A worker that is killed takes its pool along: no task goes on beside its second run."""
    parent = os.getppid()
    die_with_parent(signal.SIGKILL)()
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


@heartbeat_sent.connect
def _worker_lives(sender: Any, **_: object) -> None:
    """Each two seconds, from the worker's own process: which queues it takes tasks from."""
    _sign(str(sender.eventer.hostname), list(app.amqp.queues.consume_from))


@beat_init.connect
def _watch_beat(**_: object) -> None:
    """Beat lives while it sends; in other processes this signal is not listened to."""
    after_task_publish.connect(_beat_lives, weak=False)


def _beat_lives(**_: object) -> None:
    _sign("beat", [])


def _sign(name: str, queues: list[str]) -> None:
    from config.core import broker

    if broker.is_configured():
        try:
            broker.sign(name, queues=queues)
        except broker.BrokerAway:
            return  # its silence tells


# Everything here is a sweep: it finds unfinished rows in the database and nudges them again, so a
# lost message or a killed worker costs seconds. Leases and sealing don't depend on the broker:
# they run in `manage.py run_control`.
SWEEP_SECONDS = settings.SWEEP_SECONDS
app.conf.beat_schedule = {
    "purge-queues": {"task": "serving.tasks.purge_queues", "schedule": 60.0},
    "sweep-check-runs": {"task": "compliance.tasks.sweep_check_runs", "schedule": SWEEP_SECONDS},
    "sweep-trainings": {"task": "registry.tasks.sweep_trainings", "schedule": SWEEP_SECONDS},
    "sweep-training-files": {
        "task": "compliance.tasks.sweep_training_files",
        "schedule": SWEEP_SECONDS,
    },
    "back-up-trained": {"task": "registry.tasks.back_up_trained", "schedule": SWEEP_SECONDS},
    "sweep-flag-files": {"task": "registry.tasks.sweep_flag_files", "schedule": SWEEP_SECONDS},
    "sweep-evaluations": {"task": "serving.tasks.sweep_evaluations", "schedule": SWEEP_SECONDS},
    "sweep-deliveries": {"task": "deliveries.tasks.sweep_deliveries", "schedule": SWEEP_SECONDS},
    "sweep-entries": {"task": "deliveries.tasks.sweep_entries", "schedule": 30.0},
    "add-up-deliveries": {"task": "deliveries.tasks.add_up_deliveries", "schedule": 60.0},
    "forget-delivery-texts": {
        "task": "deliveries.tasks.forget_delivery_texts",
        "schedule": 3600.0,
    },
    "sweep-rollouts": {"task": "serving.tasks.sweep_rollouts", "schedule": 1.0},
    "reconcile-nodes": {"task": "serving.tasks.reconcile_nodes", "schedule": 2.0},
    "sweep-uploads": {"task": "registry.tasks.sweep_uploads", "schedule": 600.0},
    "sweep-storage": {"task": "registry.tasks.sweep_storage", "schedule": 60.0},
    "collect-garbage": {"task": "registry.tasks.collect_garbage", "schedule": 24 * 3600.0},
    "sweep-incoming": {"task": "registry.tasks.sweep_incoming", "schedule": 24 * 3600.0},
    "forget-reported-texts": {
        "task": "serving.tasks.forget_reported_texts",
        "schedule": 3600.0,
    },
    "sweep-idempotency-keys": {
        "task": "config.accounts.tasks.sweep_idempotency_keys",
        "schedule": 3600.0,
    },
    "nightly": {"task": "compliance.tasks.recheck_approved", "schedule": 24 * 3600.0},
    "verify-trail": {"task": "compliance.tasks.verify_trail", "schedule": 24 * 3600.0},
}

# Here and not where Celery would do it: before the pool is forked, which then shares all of it.
if IS_WORKER:
    with undisturbed_imports():
        app.loader.import_default_modules()
