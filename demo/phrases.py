"""The words around a case: who it is about, what does not matter, how people abbreviate."""

AGES: dict[str, tuple[str, ...]] = {
    "adult": (
        "man in his forties",
        "woman in her thirties",
        "man in his fifties",
        "woman in her sixties",
        "elderly man",
        "elderly woman",
        "retired teacher",
        "office worker",
        "grandmother",
        "truck driver",
        "young woman",
        "adult man",
    ),
    "child": (
        "schoolboy",
        "schoolgirl",
        "toddler",
        "preschool child",
        "girl of seven",
        "boy of ten",
        "boy of six",
        "girl of nine",
        "child of four",
    ),
    "infant": ("newborn", "baby boy", "baby girl", "infant", "baby of two months", "infant girl"),
}

OPENINGS = (
    "{age}: {case}",
    "{age}, {case}",
    "{age} with {case}",
    "{case}, {age}",
    "{age} c/o {case}",
)

# Complaints of other people, and old ones: they must not decide anything.
DISTRACTORS = (
    "mother had a stroke",
    "brother has asthma",
    "father has angina",
    "sister has eczema",
    "old knee injury",
    "hx of migraine",
    "aunt had a hernia",
    "worried about the heart",
)

# Clauses without any weight.
CHATTER = (
    "came by bus",
    "asks for a note",
    "slept badly",
    "eats normally",
    "waited two hours",
    "prefers mornings",
    "no allergies",
    "seen before",
    "lives nearby",
    "speaks softly",
)

# What makes a note long: complete sentences that change nothing.
FILLERS = (
    "The waiting room was full and the family sat near the window.",
    "A friend drove them here and is parking the car.",
    "They have moved house lately and have no regular doctor yet.",
    "An interpreter was offered and politely declined.",
    "Lunch was soup and bread, eaten without trouble.",
    "The usual vaccinations are said to be complete.",
    "They would like to know how long the visit will take.",
    "A neighbour is looking after the dog this afternoon.",
    "Glasses were left at home, so the form was read aloud.",
    "They tried a warm bath and some herbal tea first.",
    "No travel abroad and no new medicines at home.",
    "The pharmacy on the corner advised them to come in.",
    "Sleep has been as usual for the rest of the household.",
    "They ask whether the results can be sent by post.",
    "A cousin works here in the kitchen and says hello.",
    "The weather was bad and the road was slow.",
)

ABBREVIATIONS = (
    ("abdomen", "abd"),
    ("left", "L"),
    ("right", "R"),
    ("with ", "w/ "),
    ("temperature", "temp"),
    ("and ", "& "),
    ("chest", "chst"),
    ("breathless", "SOB"),
    ("vomiting", "vomitng"),
)
