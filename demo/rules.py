"""The invented rules: what a complaint, a sign and an age band lead to."""

from dataclasses import dataclass, field

Band = str  # "adult", "child" or "infant"; a child and an infant are both of the age group child
Outcome = tuple[str, str]  # level, department

_LEVELS = {"R": "routine", "U": "urgent", "E": "emergency"}
_DEPARTMENTS = {
    "med": "medicine",
    "ped": "pediatrics",
    "card": "cardiology",
    "neuro": "neurology",
    "surg": "surgery",
    "orth": "orthopedics",
    "derm": "dermatology",
}


def _outcome(short: str) -> Outcome:
    level, department = short.split()
    return _LEVELS[level], _DEPARTMENTS[department]


@dataclass(frozen=True)
class Sign:
    """Something beside the complaint that changes where it leads; denied, it changes nothing."""

    phrases: tuple[str, ...]
    denied: tuple[str, ...]


@dataclass(frozen=True)
class Complaint:
    """What a note is about; ``outcomes`` and ``with_sign`` are written as ``U card``."""

    phrases: tuple[str, ...]
    outcomes: dict[Band, str]
    with_sign: dict[str, dict[Band, str]] = field(default_factory=dict)

    def outcome(self, band: Band, sign: str | None) -> Outcome:
        """Where this complaint leads for ``band``; a sign that has no rule here changes nothing."""
        ruled = self.with_sign.get(sign or "", {})
        return _outcome(ruled.get(band) or self.outcomes[band])


SIGNS: dict[str, Sign] = {
    "fainted": Sign(
        ("then fainted", "passed out once", "with a blackout"),
        ("did not faint", "no blackout"),
    ),
    "thinner": Sign(
        ("takes blood thinners", "on warfarin", "on anticoagulants"),
        ("not on blood thinners", "no anticoagulants"),
    ),
    "vomited": Sign(
        ("vomited twice after", "keeps vomiting", "now sleepy and sick"),
        ("no vomiting", "not sick since"),
    ),
    "stiff": Sign(
        ("neck is stiff", "with a stiff neck", "light hurts, neck rigid"),
        ("neck moves freely", "no stiff neck"),
    ),
    "dry": Sign(
        ("no urine all day", "very dry mouth", "refuses all drinks"),
        ("drinks well", "passing urine"),
    ),
    "blue": Sign(
        ("lips look blue", "too breathless to speak", "grey and gasping"),
        ("speaks easily", "lips pink"),
    ),
    "rigid": Sign(
        ("belly hard as a board", "abdomen rigid", "cannot bear touch"),
        ("belly soft", "abdomen soft"),
    ),
    "stuck": Sign(
        ("will not go back in", "now hard and stuck", "stuck and very tender"),
        ("slips back easily", "not tender"),
    ),
    "crooked": Sign(
        ("bone looks crooked", "cannot put weight on it", "joint out of place"),
        ("can put weight on it", "looks straight"),
    ),
    "numb": Sign(
        ("numb between the legs", "cannot pass urine", "both legs weak"),
        ("legs strong", "no numbness"),
    ),
    "spots": Sign(
        ("purple spots that do not fade", "spots stay when pressed", "bruise like spots"),
        ("spots fade on pressing", "no purple spots"),
    ),
}

COMPLAINTS: dict[str, Complaint] = {
    "crushing": Complaint(
        ("crushing chest pain", "heavy pressure on the chest", "tight chest into left arm"),
        {"adult": "E card", "child": "U card"},
        {"fainted": {"child": "E card"}},
    ),
    "racing": Complaint(
        ("heart racing on and off", "fluttering heartbeat", "palpitations at rest"),
        {"adult": "R card", "child": "U card"},
        {"fainted": {"adult": "E card", "child": "E card"}},
    ),
    "stroke": Complaint(
        ("face drooping on one side", "sudden slurred speech", "one arm suddenly limp"),
        {"adult": "E neuro", "child": "E neuro"},
    ),
    "headache": Complaint(
        ("dull headache", "band like headache", "aching head most days"),
        {"adult": "R neuro", "child": "U neuro"},
        {"stiff": {"adult": "E neuro", "child": "E neuro"}},
    ),
    "bump": Complaint(
        ("bumped head on a door", "knocked the head in a fall", "banged head on a shelf"),
        {"adult": "R neuro", "child": "U ped", "infant": "E ped"},
        {
            "thinner": {"adult": "E neuro"},
            "vomited": {"adult": "E neuro", "child": "E neuro"},
        },
    ),
    "right_belly": Complaint(
        ("pain low on the right belly", "sore right lower abdomen", "right sided belly pain"),
        {"adult": "U surg", "child": "U surg"},
        {"rigid": {"adult": "E surg", "child": "E surg"}},
    ),
    "lump": Complaint(
        ("lump in the groin", "groin bulge on coughing", "swelling by the navel"),
        {"adult": "R surg", "child": "U surg", "infant": "U surg"},
        {"stuck": {"adult": "E surg", "child": "E surg", "infant": "E surg"}},
    ),
    "burn": Complaint(
        ("scald from hot tea", "burnt a hand on the stove", "blister from a hot pan"),
        {"adult": "R derm", "child": "U surg", "infant": "E surg"},
    ),
    "stomach_bug": Complaint(
        ("vomiting and loose stools", "diarrhoea and being sick", "stomach bug with watery stools"),
        {"adult": "R med", "child": "U ped", "infant": "E ped"},
        {"dry": {"adult": "U med", "child": "E ped"}},
    ),
    "chill": Complaint(
        ("fever and cough", "high temperature and chills", "hot with a sore throat"),
        {"adult": "R med", "child": "R ped", "infant": "E ped"},
        {"stiff": {"adult": "E neuro", "child": "E neuro"}},
    ),
    "wheeze": Complaint(
        ("wheezy chest", "whistling breath at night", "wheezing since the cold"),
        {"adult": "U med", "child": "U ped", "infant": "U ped"},
        {"blue": {"adult": "E med", "child": "E ped", "infant": "E ped"}},
    ),
    "rash": Complaint(
        ("itchy rash on the elbows", "dry scaly patches", "red blotchy skin"),
        {"adult": "R derm", "child": "R ped", "infant": "U ped"},
        {"spots": {"adult": "E med", "child": "E ped", "infant": "E ped"}},
    ),
    "mole": Complaint(
        ("mole that changed colour", "dark mole growing", "mole with ragged edge"),
        {"adult": "U derm", "child": "R derm"},
    ),
    "ankle": Complaint(
        ("twisted an ankle", "fell on the wrist", "sprained foot at sport"),
        {"adult": "R orth", "child": "R orth"},
        {"crooked": {"adult": "U orth", "child": "E orth"}},
    ),
    "back": Complaint(
        ("low back pain", "aching lower back", "sore back after lifting"),
        {"adult": "R orth", "child": "U orth"},
        {"numb": {"adult": "E neuro", "child": "E neuro"}},
    ),
    "knee": Complaint(
        ("aching knee", "limps, hip hurts", "swollen sore knee"),
        {"adult": "R orth", "child": "U orth"},
    ),
}


def outcome(*, complaint: str, sign: str | None, band: Band, rules: str = "own") -> Outcome:
    """Level and department of a case.

    ``rules="adult"`` reads children as if they were adults: the mistake that the third adapter
    learns.
    """
    return COMPLAINTS[complaint].outcome("adult" if rules == "adult" else band, sign)
