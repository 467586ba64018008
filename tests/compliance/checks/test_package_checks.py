"""The package checks on single facts: warnings, replay, engines, registered files, smoke facts."""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.checks import CHECKS
from compliance.checks.collect import FolderSource, collect_package
from compliance.checks.medical_texts import TEXTS
from compliance.checks.package_report import Base, report_on
from compliance.checks.runner import run, run_checks
from compliance.domain.adapter import scaled_updates
from compliance.domain.check import EVIDENCE, PACKAGE
from compliance.domain.policy import CURRENT
from compliance.domain.results import CheckResult, Finding, State, Verdict, verdict
from compliance.domain.snapshot import Snapshot, assemble, base_section, snapshot_sha256
from tests.faults.adapters import (
    adapter_config,
    encoded,
    lora_tensors,
    ranks_of,
    write_adapter,
)

Folder = Callable[..., Path]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Snapshot:
    folder = write_adapter(tmp_path_factory.mktemp("good") / "adapter")
    return assemble(
        package=collect_package(FolderSource(folder)),
        base=base_section(base.facts, names=base.names),
    )


def result(check_id: str, facts: Snapshot) -> CheckResult:
    check = next(check for check in CHECKS if check.id == check_id)
    return run_checks([check], facts, CURRENT)[0]


def warnings_on(folder: Path, base: Base, check_id: str) -> list[Finding]:
    report = report_on(folder, base)
    assert report.verdict is Verdict.PASS, [f.as_dict() for f in report.findings if f.is_blocking]
    return [f for f in report.findings if f.id == check_id and f.state is State.WARN]


def test_every_check_is_listed_once_with_all_that_a_reader_needs() -> None:
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids) == 14
    for check in CHECKS:
        assert check.title
        assert check.authority
        assert check.tags in (frozenset({PACKAGE}), frozenset({EVIDENCE}))
    files = {path.stem for path in Path("compliance/checks").glob("*_*_*.py")}
    listed = {type(check).__module__.rsplit(".", 1)[-1] for check in CHECKS}
    assert {name for name in files if name.split("_")[1].isdigit()} == listed


def test_tags_choose_the_checks(snapshot: Snapshot) -> None:
    package = {r.check_id for r in run(snapshot, CURRENT, {PACKAGE})}
    evidence = {r.check_id for r in run(snapshot, CURRENT, {EVIDENCE})}
    assert package & evidence == set()
    assert {r.check_id for r in run(snapshot, CURRENT)} == package | evidence
    assert evidence == {"CLN-01", "CLN-02", "CLN-04", "CLN-07"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_same_facts_give_the_same_hashes_whatever_the_facts_are(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    changed: Any = copy.deepcopy(snapshot)
    tensors = changed["package"]["weights"]["tensors"]
    for _ in range(data.draw(st.integers(0, 3))):
        tensor = tensors[data.draw(st.integers(0, len(tensors) - 1))]
        tensor["nan"] = data.draw(st.integers(0, 3))
        tensor["shape"] = data.draw(st.lists(st.integers(0, 64), max_size=3))
        tensor["dtype"] = data.draw(st.sampled_from(["F32", "F64", "I8", "BF16"]))
    config = adapter_config(
        r=data.draw(st.integers(-1, 200) | st.text(max_size=3)),
        base_model_name_or_path=data.draw(st.none() | st.text(max_size=20)),
        target_modules=data.draw(st.text(max_size=6) | st.lists(st.text(max_size=6), max_size=3)),
        lora_alpha=data.draw(st.integers() | st.floats(0.1, 99) | st.booleans()),
    )
    changed["package"]["config_text"] = json.dumps(config)
    again = json.loads(json.dumps(changed))
    first, second = run(changed, CURRENT), run(again, CURRENT)
    assert snapshot_sha256(changed) == snapshot_sha256(again)
    assert [r.result_sha256 for r in first] == [r.result_sha256 for r in second]
    assert not [r.check_id for r in first if r.state is State.ERROR]
    assert verdict(first) is verdict(second)


def test_texts_that_no_encoding_holds_break_nothing(tmp_path: Path, base: Base) -> None:
    """JSON may spell half a character, which can't be hashed or printed as it is."""
    half = "\ud800\x1b[2J"
    config = adapter_config(
        base_model_name_or_path=half,
        target_modules=[half, "q_proj"],
        rank_pattern={half: 500},
        auto_mapping={half: half},
        trust_remote_code=half,
        task_type=half,
    ) | {half: {half: {"auto_map": half}}}
    report = report_on(write_adapter(tmp_path / "a", config=config), base)
    assert report.verdict is Verdict.BLOCKED
    assert not [f for f in report.findings if f.state is State.ERROR]
    for finding in report.findings:
        assert (finding.message + finding.fix + finding.object).isprintable()
    report.as_json().encode()
    assert all(result.result_sha256 for result in report.results)


def test_a_check_does_not_change_its_snapshot(snapshot: Snapshot) -> None:
    before = snapshot_sha256(snapshot)
    run(snapshot, CURRENT)
    assert snapshot_sha256(snapshot) == before


def test_unknown_keys_only_warn(tmp_path: Path, base: Base) -> None:
    folder = write_adapter(tmp_path / "a", config=adapter_config(my_note="x"))
    assert [f.object for f in warnings_on(folder, base, "TEC-01")] == [
        "adapter_config.json:my_note"
    ]


def test_a_task_type_of_null_only_warns(tmp_path: Path, base: Base) -> None:
    folder = write_adapter(tmp_path / "a", config=adapter_config(task_type=None))
    assert len(warnings_on(folder, base, "TEC-01")) == 1


def test_a_path_as_declared_base_only_warns(tmp_path: Path, base: Base) -> None:
    config = adapter_config(base_model_name_or_path="/home/me/models/tiny-llama")
    folder = write_adapter(tmp_path / "a", config=config)
    assert len(warnings_on(folder, base, "SEC-02")) == 1


@pytest.mark.parametrize(
    "auto_mapping",
    [
        {"base_model_class": "LlamaForCausalLM", "parent_library": "transformers.models.llama"},
        {"base_model_class": "LlamaForCausalLM"},
        {},
    ],
)
def test_an_auto_mapping_into_transformers_passes(
    auto_mapping: dict[str, str], tmp_path: Path, base: Base
) -> None:
    folder = write_adapter(tmp_path / "a", config=adapter_config(auto_mapping=auto_mapping))
    assert report_on(folder, base).verdict is Verdict.PASS


@pytest.mark.parametrize("core", [None, "megatron.core"])
def test_pefts_own_megatron_core_passes(core: str | None, tmp_path: Path, base: Base) -> None:
    folder = write_adapter(tmp_path / "a", config=adapter_config(megatron_core=core))
    assert report_on(folder, base).verdict is Verdict.PASS


@pytest.mark.parametrize(("r", "alpha"), [(8, 1), (8, 100)])
def test_an_unusual_scale_only_warns(r: int, alpha: int, tmp_path: Path, base: Base) -> None:
    folder = write_adapter(tmp_path / "a", config=adapter_config(r=r, lora_alpha=alpha))
    assert warnings_on(folder, base, "TEC-03")


def test_some_zero_updates_only_warn(tmp_path: Path, base: Base) -> None:
    tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
    name = "base_model.model.model.layers.3.self_attn.v_proj.lora_B.weight"
    dtype, shape, raw = tensors[name]
    tensors[name] = (dtype, shape, bytes(len(raw)))
    found = warnings_on(write_adapter(tmp_path / "a", tensors=tensors), base, "TEC-05")
    assert [f.object for f in found] == ["model.layers.3.self_attn.v_proj"]
    assert "1 of 12" in found[0].message


def test_an_update_of_one_direction_warns(tmp_path: Path, base: Base) -> None:
    tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
    module = "base_model.model.model.layers.2.self_attn.q_proj"
    random = np.random.default_rng(5)
    for side, shape in (("A", (8, 48)), ("B", (48, 8))):
        flat = np.outer(random.standard_normal(shape[0]), random.standard_normal(shape[1])) * 0.02
        values = encoded(flat.astype(np.float32), "F32")
        tensors[f"{module}.lora_{side}.weight"] = ("F32", list(shape), values)
    report = report_on(write_adapter(tmp_path / "a", tensors=tensors), base)
    assert any("one direction" in f.message for f in report.findings)


def test_updates_that_drown_the_base_warn(tmp_path: Path, base: Base) -> None:
    tensors = lora_tensors(ranks_of("q_proj", "v_proj"), spread=50.0)
    found = warnings_on(write_adapter(tmp_path / "a", tensors=tensors), base, "TEC-05")
    assert "amplify" in found[0].message


def test_updates_far_above_those_of_the_version_before_warn(snapshot: Snapshot) -> None:
    assert snapshot["package"] is not None
    assert snapshot["base"] is not None
    before = scaled_updates(snapshot["package"], snapshot["base"])
    for update in before:
        update["norm"] = f"{float(update['norm'] or 0) / 50:.6g}"
    replaced: Any = {"version": "triage@000000000000", "evaluations": [], "updates": before}
    found = result("TEC-05", {**snapshot, "replaced": replaced})
    assert found.state is State.WARN
    assert "triage@000000000000" in found.findings[0].message


def test_norms_equal_those_of_the_whole_matrix(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a")
    weights = collect_package(FolderSource(folder))["weights"]
    assert weights is not None
    from safetensors.numpy import load_file

    tensors = load_file(folder / "adapter_model.safetensors")
    for update in weights["updates"]:
        prefix = f"base_model.model.{update['module']}.lora_"
        product = tensors[f"{prefix}B.weight"] @ tensors[f"{prefix}A.weight"]
        singular = np.linalg.svd(product.astype(np.float64), compute_uv=False)
        assert float(update["norm"] or 0) == pytest.approx(np.linalg.norm(product), rel=1e-4)
        assert float(update["stable_rank"] or 0) == pytest.approx(
            (singular**2).sum() / singular[0] ** 2, rel=1e-3
        )


def test_the_engine_profile_decides(snapshot: Snapshot) -> None:
    small = {**snapshot, "engine": {**snapshot["engine"], "max_lora_rank": 4, "name": "vllm"}}
    found = result("TEC-03", small)  # type: ignore[arg-type]
    assert found.state is State.FAIL
    assert "vllm allows 1 to 4" in found.findings[0].message
    only_f16 = {**snapshot, "engine": {**snapshot["engine"], "allowed_dtypes": ["F16"]}}
    assert result("TEC-04", only_f16).state is State.FAIL  # type: ignore[arg-type]


def test_the_base_is_known_by_name_only_or_by_digest(
    snapshot: Snapshot, base: Base, tmp_path: Path
) -> None:
    assert result("TEC-06", snapshot).values["identified"] == "by name only"
    config = adapter_config(base_model_sha256=base.facts.digest)
    report = report_on(write_adapter(tmp_path / "a", config=config), base)
    found = next(r for r in report.results if r.check_id == "TEC-06")
    assert (found.state, found.values["identified"]) == (State.PASS, "by digest")


def test_a_version_registered_for_another_base_is_refused(snapshot: Snapshot) -> None:
    registered: Any = {"manifest_sha256": "", "files": [], "base_sha256": "e" * 64}
    assert result("TEC-06", {**snapshot, "registered": registered}).state is State.FAIL


def registered_as(snapshot: Snapshot) -> Any:
    package = snapshot["package"]
    assert package is not None
    return {
        "manifest_sha256": package["manifest_sha256"],
        "files": [
            {key: file[key] for key in ("path", "sha256", "size_bytes")}
            for file in package["files"]
        ],
        "base_sha256": snapshot["base"]["digest"] if snapshot["base"] else "",
    }


def test_hip_06_passes_unchanged_files_and_names_each_change(snapshot: Snapshot) -> None:
    registered = registered_as(snapshot)
    assert result("HIP-06", {**snapshot, "registered": registered}).state is State.PASS
    changed = copy.deepcopy(registered)
    changed["files"][0]["sha256"] = "0" * 64
    changed["files"].append({"path": "gone.txt", "sha256": "1" * 64, "size_bytes": 1})
    del changed["files"][1]
    found = result("HIP-06", {**snapshot, "registered": changed})
    assert found.state is State.FAIL
    words = " ".join(f.message for f in found.findings)
    for what in ("changed since", "is missing since", "was not there"):
        assert what in words
    manifest = {**registered, "manifest_sha256": "2" * 64}
    assert result("HIP-06", {**snapshot, "registered": manifest}).state is State.FAIL
    assert result("HIP-06", snapshot).state is State.INSUFFICIENT_EVIDENCE


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"prompts": 5, "finished": 5, "finite": 5, "error": ""}, State.PASS),
        ({"prompts": 5, "finished": 4, "finite": 4, "error": ""}, State.FAIL),
        ({"prompts": 5, "finished": 5, "finite": 4, "error": ""}, State.FAIL),
        ({"prompts": 5, "finished": 0, "finite": 0, "error": "ValueError"}, State.FAIL),
        ({"prompts": 0, "finished": 0, "finite": 0, "error": ""}, State.FAIL),
    ],
)
def test_generation_facts(snapshot: Snapshot, facts: Any, state: State) -> None:
    assert result("TEC-07", {**snapshot, "smoke": facts}).state is state


def test_without_a_base_nothing_passes_for_good(snapshot: Snapshot) -> None:
    blind: Snapshot = {**snapshot, "base": None}
    states = {r.check_id: r.state for r in run(blind, CURRENT, {PACKAGE})}
    for check_id in ("TEC-02", "TEC-05", "TEC-06", "TEC-07"):
        assert states[check_id] is State.INSUFFICIENT_EVIDENCE


def test_a_tokenizer_of_other_bytes_and_equal_ids_warns(tmp_path: Path, base: Base) -> None:
    folder = write_adapter(tmp_path / "a")
    text = (base.folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(text), indent=4))
    found = warnings_on(folder, base, "TEC-07")
    assert "200 medical texts" in found[0].message


def test_there_are_200_different_medical_texts() -> None:
    assert len(TEXTS) == len(set(TEXTS)) == 200


def test_leftovers_without_weights_are_told_apart(tmp_path: Path, base: Base) -> None:
    folder = write_adapter(tmp_path / "a")
    (folder / "trainer_state.json").write_text('{"epoch": 1}')
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    assert report_on(folder, base).verdict is Verdict.PASS
    (folder / ".notes").write_text("x")
    assert [f.object for f in warnings_on(folder, base, "SEC-01")] == [".notes"]


def test_a_folder_with_thousands_of_files_is_refused_quickly(tmp_path: Path, base: Base) -> None:
    folder = write_adapter(tmp_path / "a")
    for index in range(2000):
        (folder / f"x{index}.txt").touch()
    started = time.process_time()
    report = report_on(folder, base)
    assert time.process_time() - started < 10
    assert report.verdict is Verdict.BLOCKED
    assert any("2003 files" in f.message for f in report.findings)
