"""Where the demo's parts lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "demo" / "data"
ADAPTERS = ROOT / "demo" / "adapters"
OUT = ROOT / "var" / "demo"
HOME = OUT / "state"
MODELS = ROOT / "var" / "models"
SLUG = "triage"
