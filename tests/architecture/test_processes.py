"""docker-compose.yml, beat and the workers: what they start exists, what they wait for is sent."""

import importlib
import re
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from config.celery import app
from tests.architecture import environment

TEXT = (environment.ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}
AGENT_QUEUE = re.compile(r"node\.[a-z0-9-]+")


def _options(command: list[str], *names: str) -> dict[str, str]:
    return {name: command[command.index(name) + 1] for name in names if name in command}


def test_compose_starts_all_processes_of_the_architecture() -> None:
    page = (environment.ROOT / "docs" / "architecture.md").read_text()
    table = page.partition("## Processes")[2].partition("##")[0]
    named = set(re.findall(r"^\| ([a-z]+) \| (?!what)", table, re.M)) - {"process"}
    assert {"web", "control", "node", "agent"} <= named
    assert named <= set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_what_a_service_of_ours_starts_exists(name: str) -> None:
    command: list[str] = OURS[name]["command"]
    if command[:2] == ["python", "manage.py"]:
        package = get_commands()[command[2]]
        found = load_command_class(package, command[2]) if isinstance(package, str) else package
        found.create_parser("manage.py", command[2]).parse_args(command[3:])
    elif command[:3] == ["python", "-m", "uvicorn"]:
        module, _, attribute = command[3].partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))
    else:
        assert command[0] == "celery", f"{name} starts {command[:3]}, which this test can't judge"
        module = _options(command, "-A")["-A"]
        assert importlib.import_module(module).app is app
        home = {"worker": "celery.bin.worker", "beat": "celery.bin.beat"}[command[3]]
        found = getattr(importlib.import_module(home), command[3])
        context = found.make_context(command[3], [], resilient_parsing=True)
        _, rest, _ = found.make_parser(context).parse_args(command[4:])
        assert rest == []


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_volumes_and_neighbours_of_a_service_are_declared(name: str) -> None:
    service: dict[str, Any] = COMPOSE["services"][name]
    assert {line.split(":")[0] for line in service.get("volumes", [])} <= set(COMPOSE["volumes"])
    assert set(service.get("depends_on", [])) <= set(COMPOSE["services"])
    assert "build" in service or "image" in service


def test_each_variable_of_compose_is_in_the_example() -> None:
    listed = {setting.key for setting in environment.example()}
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", TEXT))
    given = {key for service in OURS.values() for key in service["environment"]}
    assert used and given
    assert (used | given) - environment.OUTSIDE <= listed


def test_state_models_and_checkpoints_lie_on_volumes() -> None:
    for service in OURS.values():
        mounted = {line.split(":")[1] for line in service["volumes"]}
        for key in ("FORMULARY_HOME", "FORMULARY_MODELS", "CHECKPOINT_FOLDER"):
            assert service["environment"][key] in mounted


def test_the_agent_knows_its_node() -> None:
    node, agent = OURS["node"]["command"], OURS["agent"]
    given = _options(node, "--name", "--host", "--port")
    assert agent["environment"]["FORMULARY_NODE_URL"] == f"http://node:{given['--port']}"
    assert _options(agent["command"], "-Q") == {"-Q": f"node.{given['--name']}"}
    assert given["--host"] == "0.0.0.0"


def _queues_taken() -> set[str]:
    lists = [_options(service["command"], "-Q").get("-Q", "") for service in OURS.values()]
    return {queue for listed in lists for queue in listed.split(",") if queue}


def test_every_task_goes_to_a_queue_that_a_worker_takes() -> None:
    app.loader.import_default_modules()
    names = [
        name for name in app.tasks if name.split(".")[0] in {"registry", "compliance", "serving"}
    ]
    assert len(names) > 5
    taken = _queues_taken()
    lost = [
        name
        for name in names
        if not name.startswith("serving.agent.")  # sent to the queue of a node by name
        and app.amqp.router.route({}, name)["queue"].name not in taken
    ]
    assert not lost
    assert any(AGENT_QUEUE.fullmatch(queue) for queue in taken)


def test_every_entry_of_beat_is_a_task() -> None:
    app.loader.import_default_modules()
    entries = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert entries
    assert entries <= set(app.tasks)
