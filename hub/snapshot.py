"""One goal's state as plain values: everything the swarm decides is a pure function of these."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Node:
    """An experiment; `parent` and `second` are positions of earlier nodes of the same snapshot.

    `status` is running, finished, failed or abandoned. `boost` multiplies how often it is branched
    from; frozen nodes get no children, forbidden ones are no candidates for anything. `brought`
    lists the experiments whose own change a merge took over (the second parent among them).
    Equal `change` is the same change, whatever the parents; empty where that is not known.
    """

    key: str
    number: int
    parent: int | None = None
    second: int | None = None
    operator: str = "tweak"
    owner: str | None = None
    agent: str | None = None
    status: str = "finished"
    title: str = ""
    mutator: str = ""
    pinned: bool = False
    boost: float = 1.0
    frozen: bool = False
    forbidden: bool = False
    brought: tuple[int, ...] = ()
    change: str = ""

    @property
    def merged(self) -> bool:
        """Whether it brings experiments together; an ablation's second is what it took back."""
        return self.second is not None and self.operator != "ablate"

    @property
    def sides(self) -> tuple[int, ...]:
        """What a merge brought to its first parent; the second parent where that is all we know."""
        return self.brought or (() if self.second is None else (self.second,))


@dataclass(frozen=True, slots=True)
class Reading:
    """One finite measured metric; `period` is the device's working session, however it is named.

    `era` names the goal's rules of measuring that it was made under; the first have no name.
    """

    node: int
    value: float
    owner: str
    device: str
    period: str = ""
    device_class: str = ""
    kind: str = "explore"
    era: str = ""

    @property
    def group(self) -> str:
        """Within which numbers may be compared as they are."""
        return group(self.device_class, self.era)


def group(device_class: str, era: str) -> str:
    """A class of device under the rules of an era; under a goal's first rules the class itself."""
    return f"{device_class}, {era}" if era else device_class


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that ended without a metric: whose, on which device."""

    node: int
    owner: str
    device: str


@dataclass(frozen=True, slots=True)
class Pending:
    """Work that is leased now: explore, merge and ablate name parents, the others a node."""

    kind: str
    owner: str
    parent: int | None = None
    second: int | None = None
    node: int | None = None
    operator: str = "tweak"
    agent: str = ""
    brought: tuple[int, ...] = ()

    @property
    def sides(self) -> tuple[int, ...]:
        """What a merge under way brings over."""
        return self.brought or (() if self.second is None else (self.second,))


@dataclass(frozen=True, slots=True)
class Rules:
    """What the goal says of its metric and of when a claim counts (`noise_sd` in metric units)."""

    direction: str = "min"
    noise_sd: float | None = None
    owners: int = 2
    alpha: float = 0.05
    beta: float = 0.05
    min_gain: float = 0.0
    max_runs: int = 8

    @property
    def alone(self) -> bool:
        """Whether one owner verifies, so that repeats by their own devices are evidence."""
        return self.owners == 1


AUTHOR = "its author"
"""Who is heard with the run that made a claim, where one owner verifies."""
REPEATS = ("replicate", "anchor")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A goal's nodes in the order they were made, its readings as they came, and open leases.

    `failures` say who could not measure what, and nothing of what it is worth. `era` names the
    rules that what is run next is measured by.
    """

    rules: Rules = Rules()
    nodes: tuple[Node, ...] = ()
    readings: tuple[Reading, ...] = ()
    pending: tuple[Pending, ...] = ()
    failures: tuple[Failure, ...] = ()
    goal: str = ""
    era: str = ""

    @property
    def sign(self) -> float:
        """1 where smaller is better, -1 where larger is: a loss is the reading times this."""
        return -1.0 if self.rules.direction == "max" else 1.0

    def author(self, node: int) -> str | None:
        """Whose claim a node is: what they say of it is no evidence for it."""
        return AUTHOR if self.rules.alone else self.nodes[node].owner

    def voice(self, one: Reading) -> str:
        """Who is heard with a reading: its owner or, where one owner verifies, its device.

        The run that made a claim is then its author's, whichever device repeats it.
        """
        if not self.rules.alone:
            return one.owner
        return one.device if one.kind in REPEATS else AUTHOR

    def word(self, place: int) -> str:
        """Whose word a reading is part of; where one owner verifies, each run is one of its own."""
        return str(place) if self.rules.alone else self.readings[place].owner

    def without_owner(self, owner: str) -> "Snapshot":
        """The same goal, had this owner never come.

        What others built on the owner's experiments is still their code and stays: it hangs on
        the nearest ancestor that is left.
        """
        kept = [place for place, node in enumerate(self.nodes) if node.owner != owner]
        moved = {old: new for new, old in enumerate(kept)}
        up = _survivors(self.nodes, set(kept))

        def at(place: int | None) -> int | None:
            alive = None if place is None else up[place]
            return None if alive is None else moved[alive]

        nodes = tuple(
            replace(
                node,
                parent=at(node.parent),
                second=_moved(node.second, moved),
                brought=_all_moved(node.brought, moved),
            )
            for node in (self.nodes[place] for place in kept)
        )
        readings = tuple(
            replace(one, node=moved[one.node])
            for one in self.readings
            if one.owner != owner and one.node in moved
        )
        pending = tuple(
            _pending(one, at(one.parent), moved)
            for one in self.pending
            if one.owner != owner and (one.node is None or one.node in moved)
        )
        failures = tuple(
            replace(one, node=moved[one.node])
            for one in self.failures
            if one.owner != owner and one.node in moved
        )
        return replace(self, nodes=nodes, readings=readings, pending=pending, failures=failures)


def _moved(place: int | None, moved: dict[int, int]) -> int | None:
    return None if place is None else moved.get(place)


def _pending(one: Pending, parent: int | None, moved: dict[int, int]) -> Pending:
    second, node = _moved(one.second, moved), _moved(one.node, moved)
    brought = _all_moved(one.brought, moved)
    return replace(one, parent=parent, second=second, node=node, brought=brought)


def _all_moved(places: tuple[int, ...], moved: dict[int, int]) -> tuple[int, ...]:
    return tuple(moved[place] for place in places if place in moved)


def _survivors(nodes: tuple[Node, ...], kept: set[int]) -> list[int | None]:
    """For each node itself, or its nearest ancestor, that is kept."""
    up: list[int | None] = []
    for place, node in enumerate(nodes):
        above = None if node.parent is None else up[node.parent]
        up.append(place if place in kept else above)
    return up
