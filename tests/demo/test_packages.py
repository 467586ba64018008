"""The committed adapters: small, loadable, with a provenance that fits their bytes and numbers."""

import json

import pytest
from safetensors import safe_open

from config.core.digests import sha256_file
from demo import generate, measure
from demo.lessons import NAMES, lesson
from demo.packages import ADAPTERS, CONFIG, WEIGHTS, package_folder, provenance_file

LIMIT_BYTES = 2_000_000
RESULTS = json.loads((ADAPTERS / "results.json").read_text())["adapters"]


def provenance(name):
    return json.loads(provenance_file(name).read_text())


@pytest.mark.parametrize("name", NAMES)
def test_package_is_small_and_loads_with_peft(name):
    folder = package_folder(name)
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]
    assert sum(path.stat().st_size for path in folder.iterdir()) < LIMIT_BYTES
    from peft import LoraConfig  # takes seconds: only where it is used

    config = LoraConfig.from_pretrained(folder)
    assert config.base_model_name_or_path == "smollm2-135m"
    assert config.peft_type == "LORA"
    with safe_open(folder / WEIGHTS, framework="pt") as tensors:
        keys = list(tensors.keys())
        assert len(keys) == 30 * len(config.target_modules) * 2
        assert {str(tensors.get_tensor(key).dtype) for key in keys} == {"torch.float16"}


@pytest.mark.parametrize("name", NAMES)
def test_provenance_fits_the_bytes(name):
    facts = provenance(name)
    folder = package_folder(name)
    for file, digest in facts["package_sha256"].items():
        assert sha256_file(folder / file) == digest
    for file, digest in facts["data_sha256"].items():
        assert sha256_file(generate.DATA / file) == digest
    if facts["parent"]:
        assert facts["parent_sha256"] == provenance(facts["parent"])["package_sha256"]
    assert facts["measured"] == RESULTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_provenance_fits_the_lesson(name):
    facts = provenance(name)["training"]
    plan = lesson(name, generate.read_set("train"), seed=facts["seed"])
    assert (facts["notes"], facts["epochs"]) == (len(plan.pairs), plan.epochs)
    assert facts["learning_rate"] == plan.learning_rate
    held_out = {
        item["note"]
        for set_name in ("eval_adults", "eval_children", "traffic_pool")
        for item in generate.read_set(set_name)
    }
    assert not held_out & {note for note, _ in plan.pairs}


def test_measured_numbers_tell_the_four_apart():
    v1, v2, v3, v4 = (RESULTS[name] for name in NAMES)
    assert 145 <= v1["both"]["correct"] <= 156
    assert v2["both"]["correct"] >= 172
    assert v2["both"]["wilson_low"] > v1["both"]["correct"] / v1["both"]["n"]
    assert v3["eval_adults"]["correct"] >= v2["eval_adults"]["correct"] - 2
    assert v3["eval_children"]["correct"] <= 0.6 * v3["eval_children"]["n"]
    assert v4["both"]["correct"] >= 171
    for version in (v1, v2, v3):
        assert version["pool_short"]["broken"] == version["pool_long"]["broken"] == 0
    assert v4["pool_short"]["broken"] == 0
    assert v4["pool_long"]["broken"] >= 18


def test_versions_differ_in_traffic():
    differ = json.loads((ADAPTERS / "results.json").read_text())["pool_answers_that_differ"]
    assert differ["v1-v2"] >= 12
    assert differ["v2-v4"] >= 18


def test_wilson_bound_of_known_counts():
    # Wilson (1927), one-sided 95 %: 172 of 180.
    assert measure.wilson_low(172, 180) == pytest.approx(0.9228, abs=2e-4)
    assert measure.wilson_low(0, 10) == pytest.approx(0.0, abs=1e-12)


def test_labels_name_children_and_adults():
    labels = json.loads((ADAPTERS / "labels.json").read_text())
    assert sorted(labels) == sorted(NAMES)
    for label in labels.values():
        levels = {row["level"] for row in label["population"] if row["attribute"] == "age_group"}
        assert levels == {"adult", "child"}
        assert label["purpose"] and label["limits"] and label["language"] == "en"
