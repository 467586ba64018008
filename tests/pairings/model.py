"""What one act after the other leads to: the outcomes that two at the same moment may have."""

from dataclasses import dataclass, replace

ENDS = {"aborted": "aborted", "taken_back": "rolled_back", "promoted": "promoted",
        "restored": "promoted"}  # fmt: skip


@dataclass(frozen=True)
class World:
    """``state``: undecided, ready, released, paused, going, promoted, restored, aborted or
    taken_back.

    ``released``: a person has promoted by hand, and the promotion has yet to be carried out.
    ``going``: it runs and has nothing to do; ``restored``: it was promoted and the version before
    is back; ``taken_back``: a stop ended it before its promotion.
    """

    state: str
    by_hand: bool
    is_stopped: bool = False
    is_signed: bool = False


def apply(world: World, act: str) -> tuple[World, bool]:
    """The world after an act, and whether the act was accepted."""
    state = world.state
    if act == "sign":
        return replace(world, is_signed=True), not world.is_signed
    if act == "stop":
        return replace(world, is_stopped=True), True
    if act == "promote" and not world.by_hand:
        moved = {"ready": "taken_back" if world.is_stopped else "promoted"}
        return replace(world, state=moved.get(state, state)), True
    moves = {
        "abort": dict.fromkeys(("undecided", "ready", "released", "paused", "going"), "aborted"),
        "promote": {"undecided": "taken_back" if world.is_stopped else "promoted"},
        "roll_back": {"promoted": "restored"},
        "pause": {"ready": "paused", "released": "paused", "going": "paused"},
        "resume": {"undecided": "going", "paused": "ready"},
    }[act]
    return replace(world, state=moves.get(state, state)), state in moves


def settled(world: World) -> World:
    """After the control loop has looked: a stop takes back what it touches, readiness promotes."""
    state = world.state
    if world.is_stopped and state in {"undecided", "ready", "released", "paused", "going"}:
        state = "taken_back"
    elif world.is_stopped and state == "promoted":
        state = "restored"
    elif state in {"ready", "released"}:
        state = "promoted"
    return replace(world, state=state)


def outcomes(world: World, first: str, second: str) -> set[tuple[str, bool, bool]]:
    """(final state, first accepted, second accepted) of both orders.

    A promotion by hand is an act and then its carrying out: the other act may come in between.
    """
    found = set()
    if "promote" in (first, second) and world.by_hand and world.state == "undecided":
        is_first = first == "promote"
        now, is_accepted = apply(replace(world, state="released"), second if is_first else first)
        said = (True, is_accepted) if is_first else (is_accepted, True)
        found.add((settled(now).state, *said))
    for order in ((0, 1), (1, 0)):
        now, accepted = world, [False, False]
        for place in order:
            now, accepted[place] = apply(now, (first, second)[place])
        found.add((settled(now).state, *accepted))
    return found
