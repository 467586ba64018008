"""Moves of a Hub client, for any interpreter that has huggingface_hub: needs nothing of ours.

Reads a JSON list of ``[move, arguments]`` from standard input and writes one answer for each:
``{"value": …}``, or ``{"error": kind, "kinds": […], "message": …}``. HF_ENDPOINT, HF_TOKEN and
HF_HOME come from the environment, as for every program that uses the library.
"""

import datetime
import hashlib
import json
import sys
import time
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url

API = HfApi()


def download(**arguments):
    """One file: its bytes' digest, and the commit under which the cache keeps it."""
    path = Path(huggingface_hub.hf_hub_download(**arguments))
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "commit": commit_of(path)}


def download_again(tries=3, **arguments):
    """One file, asked for again after a cut, as programs do whose library gives up."""
    for left in reversed(range(tries)):
        try:
            return download(**arguments)
        except Exception:
            if not left:
                raise
            time.sleep(0.2)


def snapshot(**arguments):
    """A whole revision: each file's digest, and the commit."""
    folder = Path(huggingface_hub.snapshot_download(**arguments))
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {"commit": folder.name, "files": files}


def metadata(filename, repo_id, revision="main"):
    """What HEAD says of a file."""
    return get_hf_file_metadata(hf_hub_url(repo_id, filename, revision=revision))


def commit_of(path):
    """The commit in ``…/snapshots/<commit>/…``."""
    return path.parts[path.parts.index("snapshots") + 1]


def plain(value):
    """``value`` as JSON can carry it."""
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (datetime.datetime, Path)):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if hasattr(value, "__dict__"):
        return plain({k: v for k, v in vars(value).items() if not k.startswith("_")})
    if hasattr(value, "__iter__"):
        return [plain(part) for part in value]
    return str(value)


def answer(move, arguments):
    """What one move gave, or how it failed."""
    own = globals().get(move)
    try:
        return {"value": plain((own or getattr(API, move))(**arguments))}
    except Exception as error:  # noqa: BLE001 - the program's outermost loop: errors are answers
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"error": kinds[0], "kinds": kinds, "message": str(error)}


if __name__ == "__main__":
    json.dump([answer(*move) for move in json.load(sys.stdin)], sys.stdout)
