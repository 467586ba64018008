"""200 short texts with the signs, units, accents and names of medical notes; of no patient."""

from itertools import product

_DOSES = ("0.5", "1", "2.5", "12.5", "40", "1,000")
_UNITS = ("µg", "μg", "mg/kg", "IU", "mmol/L", "mL/h", "mEq", "g/dL", "kPa", "°C")
_SIGNS = ("≥", "≤", "±", "→", "≈", "<", ">", "↑", "↓", "×")
_VALUES = ("38.5 °C", "7.35", "120/80 mmHg", "10⁹/L", "5 %", "½ tablet")
_NAMES = (
    "Sjögren", "Ménière", "Guillain–Barré", "Behçet", "Löffler", "Chédiak–Higashi", "Türk",
    "Fañanás", "Brønsted", "Čech", "Łukasiewicz", "Krebs–Henseleit", "Sézary", "Köhler",
    "Déjerine", "Wünsch", "Bàràny", "Hallervorden", "Ångström", "Weiß",
)  # fmt: skip
_TERMS = (
    "β-blocker", "α1-antitrypsin", "γ-GT", "ω-3", "5-HT₃", "SpO₂ 94 %", "pCO₂", "HCO₃⁻", "Ca²⁺",
    "Na⁺/K⁺", "H₂O", "T₄", "vitamin B₁₂", "CD4⁺", "Δ weight", "λ/κ ratio", "q.i.d.", "p.r.n.",
    "1–0–1", "b.i.d.",
)  # fmt: skip
_FREE = (
    "naïve", "coöperative", "façade", "“quoted”", "‘single’", "em — dash", "ellipsis…",
    "tab\tstop", "line\nbreak", "  two spaces", "UPPER lower", "§ 3", "№ 7", "1:1000",
    "10^6 CFU/mL", "x ≠ y", "ECG: sinus rhythm", "Hb 13.2 g/dL", "I/O +250", "NKDA",
)  # fmt: skip

TEXTS: tuple[str, ...] = (
    *(f"{dose} {unit}" for dose, unit in product(_DOSES, _UNITS)),
    *(f"{sign} {value}" for sign, value in product(_SIGNS, _VALUES)),
    *(f"{name} syndrome" for name in _NAMES),
    *_TERMS,
    *_FREE,
    *(f"{term} ({name})" for term, name in zip(_TERMS, _NAMES, strict=True)),
)
