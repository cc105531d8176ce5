"""When a claim counts: a sequential test on offset-corrected differences, by at least two owners.

The claim is "better than my reference": the nearest ancestor that is verified, or an older one, or
the root. The author's own runs select the claim, so they never test it (winner's curse); only
other owners' runs do. With gain d = reference - confirmations and variance V, both from the belief,
LLR = (d1 - d0)(2 d - d0 - d1) / 2V, accepted above ln((1-beta)/alpha), refused below
ln(beta/(1-alpha)) (Wald 1945; Fishtest's LLR_alt2). The state is recomputed from all readings each
time, so whatever falls takes down all that hung on it.

A run may diverge and an owner lie, so one owner's word decides nothing that another's contradicts:
further owners are asked until most of them agree, and what they read is the evidence.

Where a goal lets one owner verify, as on a hub that somebody runs alone, repeats that the hub asked
for stand for other owners: luck is tested then, and honesty is not (ADR 0121).
"""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from hub.belief import Belief
from hub.snapshot import Rules, Snapshot
from hub.votes import Vote, agree, count, words
from hub.words import counted, number

WORTH = 2.0
"""The least gain tested for, in units of the noise, where the goal names no smaller one."""
REFERENCES = 4
"""How many verified ancestors, besides the root, a claim is held against."""


@dataclass(frozen=True)
class Verdict:
    """Where a claim stands; `llr` runs between `lower` (refused) and `upper` (accepted).

    `reference` is the node it must beat, `gain` ± `gain_sd` what the confirming runs say it gains,
    `n` how many those are, `owners` how many owners measured the experiment at all. `hope` is the
    best loss that any owner's word gives it, where they contradict each other and one more may
    decide; else None.
    """

    state: str
    llr: float
    lower: float
    upper: float
    n: int
    owners: int
    reference: int | None
    gain: float
    gain_sd: float
    sentence: str
    hope: float | None = None


@dataclass(frozen=True)
class _Evidence:
    """Per node: other owners' runs, what the author's own runs claim, who measured it at all.

    `crowd` is how many owners measured anything of the goal.
    """

    runs: dict[int, list[Vote]]
    claims: dict[int, Vote]
    owners: dict[int, set[str]]
    crowd: int


@dataclass(frozen=True)
class _Heard:
    """The runs that are evidence, and how many owners' are not.

    `span` are the best and the worst loss that owners' words give, where none is evidence yet;
    `final` says that nobody more is asked.
    """

    runs: Sequence[Vote]
    outvoted: int = 0
    span: tuple[float, float] | None = None
    final: bool = False

    @property
    def hope(self) -> float | None:
        """The best loss that may come of it."""
        return None if self.span is None or self.final else self.span[0]


def bounds(rules: Rules) -> tuple[float, float]:
    """The lower and upper bound of the log-likelihood ratio (Wald): ±2.944 at 5 % and 5 %."""
    upper = math.log((1 - rules.beta) / rules.alpha)
    return math.log(rules.beta / (1 - rules.alpha)), upper


def judge(snapshot: Snapshot, belief: Belief) -> list[Verdict]:
    """A verdict for every node, ancestors before descendants."""
    runs = _confirmations(snapshot, belief)
    owners = _owners(snapshot)
    crowd = len(set().union(*owners.values()))
    evidence = _Evidence(runs, _claims(snapshot, belief, runs), owners, crowd)
    verdicts: list[Verdict] = []
    references: list[tuple[int, ...]] = []
    unmeasured = _unclaimed(snapshot, 0, 0)
    for node, made in enumerate(snapshot.nodes):
        references.append(_references(made.parent, verdicts, references))
        if node in evidence.runs and references[node]:
            verdicts.append(_one(snapshot, belief, node, evidence, references[node]))
        elif node not in evidence.owners:
            verdicts.append(unmeasured)
        else:
            seen = len(evidence.owners[node])
            nearest = next(iter(references[node]), None)
            verdicts.append(_untested(snapshot, belief, node, nearest, seen))
    return verdicts


def surely_better(belief: Belief, node: int, than: int, sigmas: float) -> bool:
    """Whether a node's loss is below another's by so many standard deviations."""
    gap = belief.loss[than] - belief.loss[node]
    return bool(gap > sigmas * math.hypot(belief.loss_sd[node], belief.loss_sd[than]))


def _confirmations(snapshot: Snapshot, belief: Belief) -> dict[int, list[Vote]]:
    """Per node, what owners other than its author measured."""
    found: dict[int, list[Vote]] = {}
    for place, one in enumerate(snapshot.readings[: len(belief.rest)]):
        if snapshot.voice(one) != snapshot.author(one.node):
            found.setdefault(one.node, []).append(_corrected(snapshot, belief, place))
    return found


def _corrected(snapshot: Snapshot, belief: Belief, place: int) -> Vote:
    """A reading with the offsets of its device and period taken off."""
    one = snapshot.readings[place]
    loss = snapshot.sign * one.value - float(belief.rest[place])
    variance = belief.noise_sd**2 + float(belief.rest_sd[place]) ** 2
    return Vote(snapshot.word(place), loss, variance)


def _owners(snapshot: Snapshot) -> dict[int, set[str]]:
    owners: dict[int, set[str]] = {}
    for one in snapshot.readings:
        owners.setdefault(one.node, set()).add(one.owner)
    return owners


def _one(
    snapshot: Snapshot,
    belief: Belief,
    node: int,
    evidence: _Evidence,
    references: tuple[int, ...],
) -> Verdict:
    heard = _heard(evidence.runs[node], evidence.claims.get(node), snapshot.rules.max_runs)
    nearest = _against(snapshot, belief, node, references[0], evidence, heard)
    if nearest.state not in ("provisional", "disputed"):
        return nearest
    older = (_against(snapshot, belief, node, one, evidence, heard) for one in references[1:])
    return next((one for one in older if one.state == "verified"), nearest)


def _against(
    snapshot: Snapshot,
    belief: Belief,
    node: int,
    reference: int,
    evidence: _Evidence,
    heard: _Heard,
) -> Verdict:
    runs, seen = heard.runs, len(evidence.owners[node])
    worth = _worth(snapshot, belief, reference, evidence.claims.get(node))
    path = [_llr(belief, reference, worth, runs[: count + 1]) for count in range(len(runs))]
    gain, gain_sd = _gain(belief, reference, runs)
    heeded, n = 1 if snapshot.rules.alone else seen - heard.outvoted, len(runs)
    state = "disputed" if heard.span else _state(snapshot.rules, path, heeded)
    low, high = bounds(snapshot.rules)
    by = counted(n, "repeat") if snapshot.rules.alone else counted(heeded, "owner")
    said = _sentence(snapshot, state, reference, gain, gain_sd, by)
    said = _contradiction(snapshot, belief, reference, heard, seen < evidence.crowd) or said
    if heard.outvoted:
        said += f" {counted(heard.outvoted, 'other')} read otherwise."
    return Verdict(state, path[-1], low, high, n, seen, reference, gain, gain_sd, said, heard.hope)


def _heard(runs: Sequence[Vote], claim: Vote | None, most: int) -> _Heard:
    """Whose runs are evidence: those of most owners, as soon as most of them agree.

    Where one owner's are all there is, and the author's own contradict them, one of the two went
    wrong, and nobody knows which. After so many runs nobody more is asked.
    """
    said = words(runs).values()
    found = count(said)
    alone = len(said) == 1 and claim is not None and not agree(found.middle, claim)
    if not alone and found.decided:
        return _Heard([run for run in runs if agree(found.middle, run)], found.outvoted)
    losses = [one.loss for one in [*said, *([claim] if claim else [])]]
    return _Heard(runs, span=(min(losses), max(losses)), final=len(runs) >= most)


def _references(
    above: int | None, verdicts: Sequence[Verdict], known: Sequence[tuple[int, ...]]
) -> tuple[int, ...]:
    """What a claim may be held against: its verified ancestors, the nearest first, and the root.

    A claim that was accepted against one of them is not undone by a nearer one being verified.
    Worked out from the parent's own, because lines of descent are long.
    """
    if above is None:
        return ()
    if not known[above]:
        return (above,)
    if verdicts[above].state != "verified":
        return known[above]
    *verified, root = known[above]
    return (above, *verified[: REFERENCES - 1], root)


def _unclaimed(snapshot: Snapshot, owners: int, n: int) -> Verdict:
    """A root claims nothing: it is verified as soon as enough owners measured it."""
    low, high = bounds(snapshot.rules)
    if n == 0:
        state, said = "none", "Nothing was measured yet."
    elif owners >= snapshot.rules.owners:
        state, said = "verified", f"The starting point, measured by {owners} owners."
    else:
        state, said = "provisional", "The starting point, measured by one owner so far."
    return Verdict(state, 0.0, low, high, n, owners, None, 0.0, 0.0, said)


def _untested(
    snapshot: Snapshot, belief: Belief, node: int, reference: int | None, owners: int
) -> Verdict:
    """A root, what was never measured, and what only its author measured."""
    if reference is None or not belief.n[node]:
        return _unclaimed(snapshot, owners, int(belief.n[node]))
    low, high = bounds(snapshot.rules)
    name = f"#{snapshot.nodes[reference].number}"
    said = f"Claimed by its author; nobody else has measured it against {name} yet."
    if snapshot.rules.alone:
        said = f"Claimed by one run; it was not repeated to be held against {name} yet."
    return Verdict("claimed", 0.0, low, high, 0, owners, reference, 0.0, 0.0, said)


def _worth(snapshot: Snapshot, belief: Belief, reference: int, claimed: Vote | None) -> float:
    """The gain tested for: the goal's, or half of what the author claims, or the noise."""
    least = max(snapshot.rules.min_gain, WORTH * belief.noise_sd)
    if claimed is None:
        return least
    return max(least, (float(belief.loss[reference]) - claimed.loss) / 2)


def _claims(snapshot: Snapshot, belief: Belief, tested: Container[int]) -> dict[int, Vote]:
    """What each author's own readings say of what others ran: the claim, and no evidence for it."""
    own: dict[int, list[Vote]] = {}
    for place, one in enumerate(snapshot.readings[: len(belief.rest)]):
        if one.node in tested and snapshot.voice(one) == snapshot.author(one.node):
            own.setdefault(one.node, []).append(_corrected(snapshot, belief, place))
    return {node: next(iter(words(runs).values())) for node, runs in own.items()}


def _gain(belief: Belief, reference: int, runs: Sequence[Vote]) -> tuple[float, float]:
    precision = sum(1 / run.variance for run in runs)
    mean = sum(run.loss / run.variance for run in runs) / precision
    variance = 1 / precision + float(belief.loss_sd[reference]) ** 2
    return float(belief.loss[reference]) - mean, math.sqrt(variance)


def _llr(belief: Belief, reference: int, worth: float, runs: Sequence[Vote]) -> float:
    gain, gain_sd = _gain(belief, reference, runs)
    return worth * (2 * gain - worth) / (2 * gain_sd**2)


def _state(rules: Rules, path: Sequence[float], owners: int) -> str:
    """Accepted once is accepted until the evidence as a whole turns against the claim."""
    low, high = bounds(rules)
    if path[-1] <= low:
        return "rejected"
    if owners >= rules.owners and max(path) >= high:
        return "verified" if path[-1] > 0 else "disputed"
    if len(path) >= rules.max_runs:
        return "disputed"
    return "provisional"


def _sentence(
    snapshot: Snapshot, state: str, reference: int, gain: float, gain_sd: float, by: str
) -> str:
    name = f"#{snapshot.nodes[reference].number}"
    told = f"{number(gain, '+')} ± {number(gain_sd)} over {name}"
    others, runs = _who(snapshot)
    return {
        "provisional": f"{others} measured a gain of {told}; not enough to be sure.",
        "verified": f"Verified by {by}: a gain of {told}.",
        "disputed": f"{runs} do not agree; together they say {told}.",
        "rejected": f"{others} did not bear it out: a gain of {told}.",
    }[state]


def _who(snapshot: Snapshot) -> tuple[str, str]:
    """Who tests a claim, and whose runs may contradict each other."""
    return ("Repeats", "The runs") if snapshot.rules.alone else ("Others", "The owners' runs")


def _contradiction(
    snapshot: Snapshot, belief: Belief, reference: int, heard: _Heard, more: bool
) -> str:
    """What is said where owners' words contradict each other: a mean of them would say nothing.

    Where no `more` owners work on the goal, none of them can decide it.
    """
    if heard.span is None:
        return ""
    best, worst = (float(belief.loss[reference]) - loss for loss in heard.span)
    name = f"#{snapshot.nodes[reference].number}"
    told = f"{_who(snapshot)[1]} contradict each other: gains of {number(worst, '+')} to"
    if snapshot.rules.alone:
        hope = "One more run may decide."
    elif more:
        hope = "Another owner's run may decide."
    else:
        hope = "Nobody else works on this goal: an operator may have it run again."
    return f"{told} {number(best, '+')} over {name}.{'' if heard.final else f' {hope}'}"


def posterior_better(belief: Belief, node: int, than: int) -> float:
    """Probability that a node's true loss is below another's, taken as independent."""
    gap = float(belief.loss[than] - belief.loss[node])
    spread = math.hypot(float(belief.loss_sd[node]), float(belief.loss_sd[than]))
    return 0.5 * (1 + math.erf(gap / (spread * math.sqrt(2)))) if spread > 0 else float(gap > 0)
