"""Each channel by itself, against a real other side; no database."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from config.core.egress_calls import Egress
from config.core.egress_rules import Rules
from deliveries.channels import CHANNELS, channel
from deliveries.channels.base import KEPT_BYTES, Bucket, Means, Parcel
from deliveries.channels.cli import forget_prompt_files
from deliveries.domain import webhook_signatures
from deliveries.domain.commands import read_commands
from deliveries.domain.delivery_targets import read_target
from deliveries.domain.modes import Mode
from deliveries.errors import ChannelFailed, ChannelRefused
from tests.deliveries.delivery.receiver import receiving

PROMPT = 'say "hello"; $(touch /tmp/never) {0.__class__} é'
PYTHON = sys.executable
NOWHERE = Bucket(name="", prefix="", endpoint_url="", region="")
WEBHOOK = {"endpoint": "00000000-0000-4000-8000-000000000000"}


def _means(folder: Path, **values: Any) -> Means:
    commands = {
        "show": [PYTHON, "-c", "import sys; print(sys.argv[1:]); print(open(sys.argv[2]).read())"],
        "mark": [PYTHON, "-c", "import sys,os; print(oct(os.stat(sys.argv[1]).st_mode))",
                 "{prompt_file}"],
        "fail": [PYTHON, "-c", "import sys; sys.stderr.write('no'); sys.exit(3)"],
        "chat": [PYTHON, "-c", "print('x' * 10_000_000)"],
        "hang": [PYTHON, "-c", "import os,time; os.fork(); time.sleep(600)"],
        "env": [PYTHON, "-c", "import os,json; print(json.dumps(dict(os.environ)))"],
        "gone": ["/nowhere/at/all"],
    }  # fmt: skip
    given: dict[str, Any] = {
        "egress": Egress(Rules.parse(["127.0.0.1"])),
        "commands": read_commands(commands),
        "prompt_folder": folder / "prompts",
        "bucket": NOWHERE,
        "timeout_seconds": 10.0,
        "max_answer_bytes": 1024**2,
        **values,
    }
    return Means(**given)


def _parcel(mode: Mode, params: dict[str, Any], **values: Any) -> Parcel:
    target = read_target(mode, params)
    return Parcel(prompt=PROMPT, key="delivery-1", target=target, sent_at=1000, **values)


def _run(folder: Path, command: str, **means: Any) -> Any:
    parcel = _parcel(Mode.CLI, {"cli": {"template": command}})
    try:
        return channel(Mode.CLI, _means(folder, **means)).deliver(parcel).detail
    finally:
        assert not list((folder / "prompts").glob("*")), "the file is removed, however it ends"


def test_a_prompt_that_can_not_be_written_down_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("no folder")
    parcel = _parcel(Mode.CLI, {"cli": {"template": "show"}})
    with pytest.raises(ChannelFailed, match="can't be written"):
        channel(Mode.CLI, _means(tmp_path)).deliver(parcel)


def test_every_mode_has_its_channel() -> None:
    assert set(CHANNELS) == set(Mode)
    assert all(each.mode == mode for mode, each in CHANNELS.items())


def test_a_named_command_gets_the_prompt_in_a_file_and_no_shell_reads_it(tmp_path: Path) -> None:
    told = _run(tmp_path, "show")
    assert told["exit_code"] == 0 and told["stderr"] == ""
    arguments, said = told["stdout"].split("\n", 1)
    assert "--prompt-file" in arguments and "hello" not in arguments
    assert said.strip() == PROMPT
    assert _run(tmp_path, "mark")["stdout"].strip() == oct(stat.S_IFREG | 0o600)
    assert stat.S_IMODE((tmp_path / "prompts").stat().st_mode) == 0o700


def test_a_command_sees_none_of_our_secrets(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD_OF_A_TEST", "secret")
    seen = json.loads(_run(tmp_path, "env")["stdout"])
    assert set(seen) <= {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "IDEMPOTENCY_KEY"}
    assert seen["IDEMPOTENCY_KEY"] == "delivery-1"


def test_another_exit_code_than_0_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ChannelFailed, match="exit code 3") as failed:
        _run(tmp_path, "fail")
    assert failed.value.detail == {"exit_code": 3, "stdout": "", "stderr": "no"}


def test_what_a_command_says_is_capped(tmp_path: Path) -> None:
    assert len(_run(tmp_path, "chat")["stdout"]) == KEPT_BYTES


def test_a_command_that_hangs_ends_with_all_that_it_started(tmp_path: Path) -> None:
    with pytest.raises(ChannelFailed, match="did not end within 1 s"):
        _run(tmp_path, "hang", timeout_seconds=1.0)


def test_what_can_t_be_run_fails_or_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChannelFailed, match="can't be started"):
        _run(tmp_path, "gone")
    with pytest.raises(ChannelRefused):
        _run(tmp_path, "unknown")


def test_a_text_is_only_filled_in(tmp_path: Path) -> None:
    text = "tool --prompt '{prompt}' {0} {prompt.__class__}"
    parcel = _parcel(Mode.CLI, {"template": text})
    told = channel(Mode.CLI, _means(tmp_path)).deliver(parcel).detail
    assert told == {"text": f"tool --prompt '{PROMPT}' {{0}} {{prompt.__class__}}"}
    assert not (tmp_path / "prompts").exists(), "nothing was run and nothing written"


def test_files_of_killed_tries_are_forgotten(tmp_path: Path) -> None:
    old, new = tmp_path / "lora_prompt_a.txt", tmp_path / "lora_prompt_b.txt"
    for path in (old, new, tmp_path / "other"):
        path.write_text(PROMPT)
        os.utime(path, (1000, 1000))
    os.utime(new, (3000, 3000))
    assert forget_prompt_files(tmp_path, older_than=2000) == 1
    assert not old.exists() and new.exists() and (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "wrong",
    [[], {"a b": ["/bin/x"]}, {"a": "/bin/x"}, {"a": []}, {"a": ["x"]}, {"a": ["/bin/x", 1]}],
)
def test_wrong_commands_are_refused_at_the_start(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"it is|is no|must"):
        read_commands(wrong)


def test_a_webhook_is_signed_and_a_forged_one_is_found_out(tmp_path: Path) -> None:
    secret = webhook_signatures.new_secret()
    with receiving() as receiver:
        parcel = _parcel(Mode.WEBHOOK, {"webhook": WEBHOOK}, url=f"{receiver.url}/h", secret=secret)
        channel(Mode.WEBHOOK, _means(tmp_path)).deliver(parcel)
        (got,) = receiver.got
    header = got.headers["x-formulary-signature"]

    def is_genuine(**changed: Any) -> bool:
        asked = {"secret": secret, "body": got.body, "header": header, "now_seconds": 1010}
        return webhook_signatures.is_genuine(**{**asked, **changed})

    assert is_genuine()
    assert not is_genuine(secret=webhook_signatures.new_secret())
    assert not is_genuine(body=got.body + b" ")
    assert not is_genuine(header=header.replace("t=1000", "t=1001"))
    assert not is_genuine(now_seconds=1000 + 301), "replayed later"
    assert not is_genuine(header="t=1000")
    assert got.json == {"id": "delivery-1", "type": "delivery.prompt", "data": {"prompt": PROMPT}}
    assert got.headers["x-formulary-event"] == "delivery.prompt" and got.key == "delivery-1"


def test_s3_gets_one_object_a_job(tmp_path: Path, moto: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1")
    client.create_bucket(Bucket="out")
    bucket = Bucket(name="out", prefix="/made/", endpoint_url=moto, region="us-east-1")
    parcel = _parcel(Mode.S3, {"s3": {"metadata": {"a": 1}}})
    for _ in range(2):
        told = channel(Mode.S3, _means(tmp_path, bucket=bucket)).deliver(parcel).detail
    assert told == {"uri": "s3://out/made/delivery-1.json"}
    (found,) = client.list_objects_v2(Bucket="out")["Contents"]
    body = json.loads(client.get_object(Bucket="out", Key=found["Key"])["Body"].read())
    assert body == {"prompt": PROMPT, "metadata": {"a": 1}}
    absent = Bucket(name="absent", prefix="", endpoint_url=moto, region="us-east-1")
    with pytest.raises(ChannelFailed, match="NoSuchBucket"):
        channel(Mode.S3, _means(tmp_path, bucket=absent)).deliver(parcel)
    with pytest.raises(ChannelRefused):
        channel(Mode.S3, _means(tmp_path)).deliver(parcel)


def test_an_object_store_that_is_away_is_a_failure(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    away = Bucket(name="out", prefix="", endpoint_url="http://127.0.0.1:9", region="us-east-1")
    parcel = _parcel(Mode.S3, {})
    with pytest.raises(ChannelFailed, match="does not answer"):
        channel(Mode.S3, _means(tmp_path, bucket=away)).deliver(parcel)
