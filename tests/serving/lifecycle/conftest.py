"""A clinic that works with the lifecycle façade, on nodes that only the database knows."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from asgiref.sync import async_to_sync

from compliance.models import Permission
from compliance.states import Purpose
from config.accounts.models import User
from config.accounts.roles import Role
from config.core.events import Event
from registry.models import Adapter, Version
from registry.selectors import adapter_by_ref
from serving.lifecycle import (
    AdapterMetadata,
    AdapterType,
    AdapterVersion,
    LifecycleManager,
    SystemConfiguration,
    create_adapter_metadata,
    create_lifecycle_manager,
)
from serving.lifecycle.acting import in_thread
from serving.lifecycle.metadata import ref_of
from serving.selectors.rollouts import unfinished_ids
from serving.services import rollouts
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import registry as make
from tests.factories.health import measured_anew
from tests.factories.trials import Desk

T = TypeVar("T")
LABEL = dict(make.LABEL)


class Clinic:
    """A desk with an engineer who may submit and deploy, and packages of that engineer."""

    def __init__(self, folder: Path, *, items: int = 30) -> None:
        self.desk = Desk(items=items)
        self.folder = folder
        self.user: User = accounts.user(Role.ML_ENGINEER)
        self._packages = 0

    def config(self, **options: Any) -> SystemConfiguration:
        return SystemConfiguration(base_model_id=self.desk.base.slug, **options)

    def package(self) -> Path:
        """A folder with an adapter of its own bytes."""
        self._packages += 1
        folder = self.folder / f"package{self._packages}"
        folder.mkdir()
        files = make.package(
            rank=4, seed=9000 + self._packages, base_name=self.desk.base.slug, lora_alpha=8
        )
        for path, data in files.items():
            (folder / path).write_bytes(data)
        return folder

    def metadata(self, adapter_id: str = "medical_diagnosis_v1", **values: Any) -> AdapterMetadata:
        return create_adapter_metadata(
            **{
                "adapter_id": adapter_id,
                "name": "Medical Diagnosis Assistant",
                "description": "LoRA adapter for medical diagnosis",
                "adapter_type": AdapterType.MEDICAL_LORA,
                "medical_domain": "diagnostic_medicine",
                "clinical_use_case": "differential_diagnosis",
                "safety_class": "A",
                **values,
            }
        )

    async def added(
        self, lifecycle: LifecycleManager, adapter_id: str, version_id: str, *, ready: bool = True
    ) -> None:
        """An adapter with a version, added by the façade; people and nodes did their part."""
        await lifecycle.register_adapter(self.metadata(adapter_id))
        await lifecycle.registry.add_version(
            adapter_id,
            AdapterVersion(version_id=version_id, adapter_type=AdapterType.MEDICAL_LORA),
            self.package(),
            label=LABEL,
        )
        if ready:
            await in_thread(self.make_ready, adapter_id, version_id)

    def make_ready(self, adapter_id: str, version_id: str) -> None:
        row = self.version(adapter_id, version_id)
        judge.evaluated(row, on=self.desk.set)
        Permission.objects.create(
            version=row, digest=row.digest, purpose=Purpose.SERVE, ttl_seconds=600
        )
        self.desk.prove(row)

    def adapter(self, adapter_id: str) -> Adapter:
        return adapter_by_ref(str(ref_of(adapter_id)))

    def version(self, adapter_id: str, version_id: str) -> Version:
        return Version.objects.get(adapter=self.adapter(adapter_id), version_name=version_id)

    def advance(self) -> None:
        """What the control loop does with rollouts."""
        for rollout_id in unfinished_ids():
            rollouts.advance(rollout_id=rollout_id)

    async def loaded(self, lifecycle: LifecycleManager, adapter_id: str, **values: Any) -> Any:
        return await meanwhile(lifecycle.load_adapter(adapter_id, **values), self.advance)

    def run(
        self, story: Callable[[LifecycleManager], Awaitable[T]], *, user: Any = None, **options: Any
    ) -> T:
        """A program of the medical system: a manager, a story, a shutdown."""
        options.setdefault("monitoring_interval", 600)
        options.setdefault("health_check_interval", 600)

        async def main() -> T:
            lifecycle = await create_lifecycle_manager(
                self.config(**options), user=user or self.user
            )
            try:
                return await story(lifecycle)
            finally:
                await lifecycle.shutdown()

        return async_to_sync(main)()


async def meanwhile(waiting: Awaitable[T], work: Callable[[], object]) -> T:
    """The result of ``waiting`` while the house goes on working."""
    task = asyncio.ensure_future(waiting)
    while not (await asyncio.wait({task}, timeout=0.01))[0]:
        await in_thread(work)
    return await task


@pytest.fixture
def clinic(db: None, tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


@pytest.fixture(autouse=True)
def _parts_have_time_to_answer() -> Iterator[None]:
    """How soon a part of the house must answer is asked elsewhere; here none comes and goes."""
    with measured_anew():
        yield


@pytest.fixture(autouse=True)
def _handlers_of_this_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A manager listens to this process's events for good; a test's world ends with the test."""
    from config.core import events

    kept: dict[type[Event], list[Any]] = {key: list(val) for key, val in events._handlers.items()}
    yield
    events._handlers.clear()
    events._handlers.update(kept)
