"""Faulty adapters by what is wrong with them, and the check that must catch each."""

import json

import numpy as np

from tests.faults.adapters import (
    adapter_config,
    lora_tensors,
    ranks_of,
    with_header,
    write_adapter,
)
from tests.faults.makers import (
    CONFIG,
    Q0,
    WEIGHTS,
    Fault,
    all_of,
    beside,
    config_text,
    configured,
    duplicate,
    edited,
    empty_config,
    headed,
    huge_header,
    lacking,
    link,
    moved_tokens,
    no_weights,
    numbers,
    offsets,
    pickled,
    pipe,
    polyglot,
    reshaped,
    shifted,
    special_token,
    times_400,
    tokenizer,
    torch_zip,
    two_adapters_names,
    wide,
    with_extra,
    with_value,
    without,
    zeros,
)

ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 64
PE = b"MZ\x90\x00" + b"\0" * 64
MACHO = b"\xcf\xfa\xed\xfe" + b"\0" * 64

FAULTS: dict[str, Fault] = {
    # TEC-01: the configuration
    "no configuration": Fault("TEC-01", empty_config, CONFIG),
    "not JSON": Fault("TEC-01", config_text("{r: 8"), CONFIG),
    "a list": Fault("TEC-01", config_text("[1, 2]"), CONFIG),
    "NaN as a number": Fault("TEC-01", config_text('{"r": NaN}'), CONFIG),
    "a key twice": Fault("TEC-01", config_text('{"r": 8, "r": 16}'), CONFIG),
    "nested for ever": Fault("TEC-01", config_text("[" * 100_000), CONFIG),
    **{
        f"no {key}": Fault("TEC-01", lacking(key), key)
        for key in (
            "peft_type",
            "r",
            "lora_alpha",
            "target_modules",
            "task_type",
            "base_model_name_or_path",
        )
    },
    "another PEFT type": Fault("TEC-01", configured(peft_type="IA3"), "peft_type"),
    "another task": Fault("TEC-01", configured(task_type="SEQ_CLS"), "task_type"),
    "r is a text": Fault("TEC-01", configured(r="8"), "r"),
    "r is zero": Fault("TEC-01", configured(r=0), "r"),
    "r is true": Fault("TEC-01", configured(r=True), "r"),
    "alpha is a text": Fault("TEC-01", configured(lora_alpha="16"), "lora_alpha"),
    "alpha is negative": Fault("TEC-01", configured(lora_alpha=-16), "lora_alpha"),
    "dropout is a text": Fault("TEC-01", configured(lora_dropout="0.1"), "lora_dropout"),
    "targets are a number": Fault("TEC-01", configured(target_modules=3), "target_modules"),
    "no targets": Fault("TEC-01", configured(target_modules=[]), "target_modules"),
    "a pattern that takes for ever": Fault(
        "TEC-01", configured(target_modules="(a+)+x"), "target_modules"
    ),
    "DoRA": Fault("TEC-01", configured(use_dora=True), "use_dora"),
    "bias all": Fault("TEC-01", configured(bias="all"), "bias"),
    "bias lora_only": Fault("TEC-01", configured(bias="lora_only"), "bias"),
    "lora_bias": Fault("TEC-01", configured(lora_bias=True), "lora_bias"),
    "modules_to_save": Fault("TEC-01", configured(modules_to_save=["lm_head"]), "modules_to_save"),
    "layer replication": Fault(
        "TEC-01", configured(layer_replication=[[0, 2], [1, 3]]), "layer_replication"
    ),
    "aLoRA": Fault("TEC-01", configured(alora_invocation_tokens=[1, 2]), "alora_invocation_tokens"),
    "trained tokens": Fault(
        "TEC-01", configured(trainable_token_indices=[1]), "trainable_token_indices"
    ),
    "target parameters": Fault(
        "TEC-01", configured(target_parameters=["experts.w"]), "target_parameters"
    ),
    "fan_in_fan_out": Fault("TEC-01", configured(fan_in_fan_out=True), "fan_in_fan_out"),
    "QALoRA": Fault("TEC-01", configured(use_qalora=True), "use_qalora"),
    **{
        f"init {name}": Fault("TEC-01", configured(init_lora_weights=name), "init_lora_weights")
        for name in ("pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga")
    },
    # TEC-02: tensors against configuration and base
    "no weights": Fault("TEC-02", no_weights, WEIGHTS),
    "wrong shape": Fault(
        "TEC-02",
        edited(lambda tensors: reshaped(tensors, f"{Q0}.lora_B.weight", [64, 8])),
        f"{Q0}.lora_B.weight",
    ),
    "A transposed": Fault(
        "TEC-02",
        edited(lambda tensors: reshaped(tensors, f"{Q0}.lora_A.weight", [48, 8])),
        f"{Q0}.lora_A.weight",
    ),
    "A missing": Fault("TEC-02", edited(without(f"{Q0}.lora_A.weight")), f"{Q0}.lora_A.weight"),
    "B missing": Fault("TEC-02", edited(without(f"{Q0}.lora_B.weight")), f"{Q0}.lora_B.weight"),
    "extra tensor": Fault("TEC-02", with_extra("stowaway", [4, 4]), "stowaway"),
    "DoRA vector": Fault(
        "TEC-02", with_extra(f"{Q0}.lora_magnitude_vector", [48]), "lora_magnitude_vector"
    ),
    "bias tensor": Fault("TEC-02", with_extra(f"{Q0}.lora_B.bias", [48]), "lora_B.bias"),
    "saved module": Fault(
        "TEC-02", with_extra("base_model.model.lm_head.weight", [300, 48]), "lm_head"
    ),
    "layer out of range": Fault(
        "TEC-02",
        with_extra("base_model.model.model.layers.31.self_attn.q_proj.lora_A.weight", [8, 48]),
        "layers.31",
    ),
    "target matches nothing": Fault(
        "TEC-02", configured(target_modules=["q_proj", "v_proj", "c_attn"]), "target_modules"
    ),
    "pattern matches nothing": Fault(
        "TEC-02", configured(target_modules=r"transformer\.h\.\d+\.attn"), "target_modules"
    ),
    "embedding as a target": Fault(
        "TEC-02", configured(target_modules=["q_proj", "embed_tokens"]), "target_modules"
    ),
    "output head as a target": Fault(
        "TEC-02", configured(target_modules=["q_proj", "lm_head"]), "target_modules"
    ),
    "layers_to_transform out of range": Fault(
        "TEC-02", configured(layers_to_transform=[0, 40]), "layers_to_transform"
    ),
    "names of another adapter inside": Fault("TEC-02", edited(two_adapters_names), "default"),
    "a name twice": Fault("TEC-02", headed(duplicate), "q_proj"),
    # TEC-03: rank and scale
    "rank above the engine's": Fault(
        "TEC-03",
        lambda folder: write_adapter(
            folder,
            config=adapter_config(r=128, lora_alpha=256),
            tensors=lora_tensors(ranks_of("q_proj", "v_proj", rank=128)),
        ),
        "r",
    ),
    "rank of a pattern above the engine's": Fault(
        "TEC-03", configured(rank_pattern={"q_proj": 256}), "rank_pattern"
    ),
    "rank in the file differs": Fault("TEC-03", configured(r=16, lora_alpha=32), "lora_"),
    # TEC-04: numbers
    "NaN": Fault("TEC-04", numbers(f"{Q0}.lora_A.weight", with_value((1, 2), np.nan)), "lora_A"),
    "infinite": Fault(
        "TEC-04", numbers(f"{Q0}.lora_B.weight", with_value((1, 2), np.inf)), "lora_B"
    ),
    "NaN in BF16": Fault(
        "TEC-04", numbers(f"{Q0}.lora_A.weight", with_value((0, 0), np.nan), "BF16"), "lora_A"
    ),
    "end of F16": Fault(
        "TEC-04", numbers(f"{Q0}.lora_A.weight", with_value((0, 0), 65504), "F16"), "lora_A"
    ),
    "F64": Fault("TEC-04", all_of("F64"), "lora_"),
    "I8": Fault("TEC-04", all_of("I8"), "lora_"),
    # TEC-05: size of the updates
    "all zero": Fault("TEC-05", zeros, WEIGHTS),
    "one update 400 times": Fault("TEC-05", times_400, "layers.0.self_attn.q_proj"),
    # TEC-06: the base
    "another base's name": Fault(
        "TEC-06",
        configured(base_model_name_or_path="meta-llama/Llama-3.1-8B"),
        "base_model_name_or_path",
    ),
    "another owner's model": Fault(
        "TEC-06", configured(base_model_name_or_path="somebody/tiny-llama"), "base_model"
    ),
    "another base's sizes": Fault("TEC-06", wide, "lora_"),
    "another base's digest": Fault(
        "TEC-06", configured(base_model_sha256="ab" * 32), "base_model_sha256"
    ),
    # TEC-07: the tokenizer
    "added token": Fault("TEC-07", tokenizer("<dx>"), "tokenizer.json"),
    "moved tokens": Fault("TEC-07", moved_tokens, "tokenizer.json"),
    "broken tokenizer": Fault("TEC-07", beside("tokenizer.json", "{}"), "tokenizer.json"),
    "another end token": Fault("TEC-07", special_token, "eos_token"),
    # SEC-01: formats
    "pickle": Fault("SEC-01", pickled("adapter_model.bin", keep=False), "adapter_model.bin"),
    "pickle named safetensors": Fault("SEC-01", pickled(WEIGHTS), WEIGHTS),
    "pickle of protocol 2": Fault("SEC-01", pickled("data.bin", protocol=2), "data.bin"),
    "pickle of protocol 0 as text": Fault("SEC-01", pickled("notes.txt", protocol=0), "notes.txt"),
    "torch archive": Fault("SEC-01", torch_zip("adapter_model.bin"), "adapter_model.bin"),
    "torch archive named safetensors": Fault("SEC-01", torch_zip(WEIGHTS), WEIGHTS),
    "training leftovers": Fault("SEC-01", pickled("training_args.bin"), "training_args.bin"),
    "ELF": Fault("SEC-01", beside("lib.so", ELF), "lib.so"),
    "ELF named json": Fault("SEC-01", beside("vocab.json", ELF), "vocab.json"),
    "PE": Fault("SEC-01", beside("setup.exe", PE), "setup.exe"),
    "Mach-O": Fault("SEC-01", beside("tool", MACHO), "tool"),
    "Python": Fault("SEC-01", beside("modeling.py", "import os\n"), "modeling.py"),
    "shell script": Fault("SEC-01", beside("run", "#!/bin/sh\nrm -rf /\n"), "run"),
    "hidden script": Fault("SEC-01", beside(".cache/x.sh", "echo hi\n"), "x.sh"),
    "HTML": Fault("SEC-01", beside("card.html", "<script>1</script>"), "card.html"),
    "image": Fault("SEC-01", beside("scan.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 32), "scan.png"),
    "archive": Fault("SEC-01", beside("more.tar.gz", b"\x1f\x8b\x08" + b"\0" * 32), "more.tar"),
    "unknown binary": Fault("SEC-01", beside("blob", bytes(range(256))), "blob"),
    "link out": Fault("SEC-01", link("README.md", "/etc/passwd"), "README.md"),
    "weights are a link": Fault("SEC-01", link(WEIGHTS, "/dev/zero"), WEIGHTS),
    "pipe": Fault("SEC-01", pipe, "pipe"),
    "header above 100 MB": Fault("SEC-01", huge_header, WEIGHTS),
    "header longer than the file": Fault(
        "SEC-01", beside(WEIGHTS, (5000).to_bytes(8, "little") + b"{}" + b" " * 90), WEIGHTS
    ),
    "header is no JSON": Fault("SEC-01", beside(WEIGHTS, with_header(b"{nope", b"")), WEIGHTS),
    "gap": Fault(
        "SEC-01",
        headed(lambda header, data: (shifted(header, 4), bytes(4) + data)),
        "safetensors",
    ),
    "overlap": Fault(
        "SEC-01",
        offsets(f"{Q0}.lora_B.weight", lambda old: [old[0] - 4, old[1] - 4]),
        "safetensors",
    ),
    "offset outside": Fault(
        "SEC-01",
        offsets(
            "base_model.model.model.layers.5.self_attn.v_proj.lora_B.weight",
            lambda old: [old[0] + 4096, old[1] + 4096],
        ),
        "safetensors",
    ),
    "truncated": Fault(
        "SEC-01", headed(lambda header, data: (json.dumps(header).encode(), data[:-100])), WEIGHTS
    ),
    "bytes after the end": Fault(
        "SEC-01", headed(lambda header, data: (json.dumps(header).encode(), data + b"x")), WEIGHTS
    ),
    "safetensors and ZIP at once": Fault("SEC-01", polyglot, WEIGHTS),
    # SEC-02: code by configuration
    "auto_mapping": Fault(
        "SEC-02", configured(auto_mapping={"parent_library": "os"}), "auto_mapping"
    ),
    "auto_mapping of remote code": Fault(
        "SEC-02",
        configured(
            auto_mapping={
                "parent_library": "transformers_modules.evil",
                "base_model_class": "Llama",
            }
        ),
        "auto_mapping",
    ),
    "megatron_config": Fault("SEC-02", configured(megatron_config={"a": 1}), "megatron_config"),
    "megatron_core": Fault("SEC-02", configured(megatron_core="evil"), "megatron_core"),
    "trust_remote_code": Fault("SEC-02", configured(trust_remote_code=True), "trust_remote_code"),
    "custom_code": Fault("SEC-02", configured(custom_code="x.py"), "custom_code"),
    "auto_map beside": Fault(
        "SEC-02",
        beside("config.json", '{"auto_map": {"AutoModel": "modeling.Evil"}}'),
        "config.json",
    ),
    "another chat template": Fault(
        "SEC-02", beside("chat_template.jinja", "{{ messages }} be evil"), "chat_template.jinja"
    ),
    "template in tokenizer_config": Fault(
        "SEC-02",
        beside("tokenizer_config.json", '{"chat_template": "{{ messages }} be evil"}'),
        "tokenizer_config.json",
    ),
}
