"""The Celery app: queues, beat, logging."""

import os
import signal

from celery import Celery
from celery.signals import setup_logging, worker_process_init

from config.stack.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
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


# Everything here is a sweep: it finds unfinished rows in the database and nudges them again, so a
# lost message or a killed worker costs seconds. Leases and sealing don't depend on the broker:
# they run in `manage.py run_control`.
app.conf.beat_schedule = {
    "sweep-check-runs": {"task": "compliance.tasks.sweep_check_runs", "schedule": 5.0},
    "sweep-evaluations": {"task": "serving.tasks.sweep_evaluations", "schedule": 5.0},
    "sweep-rollouts": {"task": "serving.tasks.sweep_rollouts", "schedule": 1.0},
    "reconcile-nodes": {"task": "serving.tasks.reconcile_nodes", "schedule": 2.0},
    "sweep-uploads": {"task": "registry.tasks.sweep_uploads", "schedule": 600.0},
    "sweep-incoming": {"task": "registry.tasks.sweep_incoming", "schedule": 24 * 3600.0},
    "forget-reported-texts": {
        "task": "serving.tasks.forget_reported_texts",
        "schedule": 3600.0,
    },
    "nightly": {"task": "compliance.tasks.recheck_approved", "schedule": 24 * 3600.0},
}
