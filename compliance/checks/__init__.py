"""The checks, each a plug-in in a file of its own; what is not in this list is not run."""

from collections.abc import Sequence

from compliance.domain.check import Check

from .cln_01_performance import PerformanceCheck
from .cln_02_replacement import ReplacementCheck
from .cln_04_coverage import CoverageCheck
from .cln_07_belongs import BelongsCheck
from .hip_06_integrity import IntegrityCheck
from .sec_01_file_formats import FileFormatsCheck
from .sec_02_no_code import NoCodeCheck
from .tec_01_peft_config import PeftConfigCheck
from .tec_02_tensors import TensorsCheck
from .tec_03_rank_scale import RankScaleCheck
from .tec_04_numbers import NumbersCheck
from .tec_05_update_norms import UpdateNormsCheck
from .tec_06_exact_base import ExactBaseCheck
from .tec_07_tokenizer import TokenizerCheck

CHECKS: Sequence[Check] = (
    FileFormatsCheck(),
    NoCodeCheck(),
    IntegrityCheck(),
    PeftConfigCheck(),
    TensorsCheck(),
    RankScaleCheck(),
    NumbersCheck(),
    UpdateNormsCheck(),
    ExactBaseCheck(),
    TokenizerCheck(),
    PerformanceCheck(),
    ReplacementCheck(),
    CoverageCheck(),
    BelongsCheck(),
)
