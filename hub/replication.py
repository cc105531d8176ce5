"""Which experiment deserves another run by somebody else, and why: on demand, never by quota."""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.policies import View
from hub.titles import confirmed_by
from hub.verification import Verdict, posterior_better, surely_better
from hub.words import number

SURE = 0.95
"""Belief from which a claim of a new best is worth other people's time."""
LIKELY = 0.7
"""Belief from which a verified experiment that may beat the champion is run once more."""
CONTESTED = 4
"""Others who may be asked to decide between a verified experiment and the champion."""
FEW = 3
"""Repeats that any owner may be asked for before shares are compared."""
STALLED = 60
"""Results without a sure gain over the best after which the top is sorted out by repeats."""


@dataclass(frozen=True)
class Wanted:
    """An experiment to run again, with the reason."""

    node: int
    why: str


def due(view: View, verdicts: Sequence[Verdict], owner: str) -> Wanted | None:
    """The replication that matters most and that this owner (`Snapshot.voice`) may do."""
    if not affordable(view):
        return None
    for wanted in view.once("wishes", lambda: _wishes(view, verdicts)):
        if open_to(view, wanted.node, owner) and not spared(view, wanted.node, owner):
            return wanted
    return None


def affordable(view: View) -> bool:
    """Whether repeats have stayed below their share of all runs."""
    repeats = view.repeats_by.total() + view.under_way["replicate"]
    total = len(view.snapshot.readings) + len(view.snapshot.pending)
    return repeats < 1 + view.tuning.replicate_share * total


def spared(view: View, node: int, owner: str) -> bool:
    """Whether an owner did more than a fair share of the repeats, and another could do this one.

    Repeats earn no new ideas: nobody is asked for more than twice the usual share of them while
    somebody who is at work, and may measure this experiment, has done less.
    """
    runs, repeats = view.runs_by, view.repeats_by
    if repeats[owner] < FEW or repeats[owner] * runs.total() <= 2 * runs[owner] * repeats.total():
        return False
    others = {one.owner for one in view.snapshot.pending} - {owner}
    return any(
        repeats[one] * runs[owner] < repeats[owner] * runs[one] and open_to(view, node, one)
        for one in others
    )


def open_to(view: View, node: int, owner: str) -> bool:
    """Nobody confirms an own claim, twice, what another is confirming, or what is forbidden.

    Nor what fails where they run it: it would be asked of them, and fail, again and again. What
    as many owners failed at as a test may take runs, and more than ran it, is asked of nobody.
    Where one owner verifies, any device repeats anything, as often as a test may take runs.
    """
    made = view.snapshot.nodes[node]
    if made.forbidden or view.snapshot.author(node) == owner:
        return False
    if node in view.repeated:
        return False
    if view.failed[node] >= max(view.snapshot.rules.max_runs, view.runs[node] + 1):
        return False
    if view.failed_by[node, owner] >= view.tuning.attempts:
        return False
    if view.snapshot.rules.alone:
        return int(view.runs[node]) < view.snapshot.rules.max_runs
    return (node, owner) not in view.measured_by


def _wishes(view: View, verdicts: Sequence[Verdict]) -> list[Wanted]:
    crowned = view.champion
    wishes = _contenders(view, verdicts, crowned) + _contested(view, verdicts, crowned)
    wishes += _half_tested(view, verdicts, crowned)
    best = _claimed_best(view, verdicts, crowned)
    if best is not None:
        gain = _over(view, crowned, best)
        wishes.append(Wanted(best, f"{view.told(best)} is claimed as a new best{gain}; check it."))
    if stalled(view):
        wishes += _top(view)
    return wishes


def _contenders(view: View, verdicts: Sequence[Verdict], crowned: int | None) -> list[Wanted]:
    """The best verified experiment that looks better than the champion, and is not yet surely so.

    First, because the champion is what everybody is told to beat.
    """
    if crowned is None:
        return []
    by = confirmed_by(view.snapshot)
    found = [
        node
        for node, one in enumerate(verdicts)
        if one.state == "verified" and node != crowned and len(by.get(node, ())) < CONTESTED
    ]
    found = [node for node in found if posterior_better(view.belief, node, crowned) > LIKELY]
    best = min(found, key=lambda node: float(view.belief.loss[node]), default=None)
    if best is None:
        return []
    said = f"{view.told(best)} looks better than the champion; one more run may make sure."
    return [Wanted(best, said)]


def _contested(view: View, verdicts: Sequence[Verdict], crowned: int | None) -> list[Wanted]:
    """Claims over which owners contradict each other, as long as some word makes a new best.

    Belief does not say whom to ask about: it goes by the very readings of which one went wrong.
    """
    than = float(view.belief.loss[_root(view) if crowned is None else crowned])
    hopes = {
        node: one.hope
        for node, one in enumerate(verdicts)
        if one.hope is not None and one.hope <= than - _promising(view)
    }
    why = "Owners contradict each other over"
    return [
        Wanted(node, f"{why} {view.told(node)}; one more run may tell who is right.")
        for node in sorted(hopes, key=lambda node: hopes[node])[:2]
    ]


def _half_tested(view: View, verdicts: Sequence[Verdict], crowned: int | None) -> list[Wanted]:
    """Claims whose test began, the best first, as long as they still look like a new best."""
    open_ = [node for node, one in enumerate(verdicts) if one.state == "provisional" and one.n]
    open_ = [
        node
        for node in open_
        if crowned is None or posterior_better(view.belief, node, crowned) > 0.5
    ]
    open_.sort(key=lambda node: float(view.belief.loss[node]))
    best = view.best
    return [
        Wanted(node, f"The test of {view.told(node)} is not decided yet; one more run may do.")
        for node in open_[:2]
        if best is not None and not surely_better(view.belief, best, node, 3.0)
    ]


def _claimed_best(view: View, verdicts: Sequence[Verdict], crowned: int | None) -> int | None:
    """The best measured claim, when it beats the champion by enough to be worth a test."""
    best = view.best
    if best is None or verdicts[best].state not in ("claimed", "none"):
        return None
    than = _root(view) if crowned is None else crowned
    if than == best or posterior_better(view.belief, best, than) < SURE:
        return None
    gap = float(view.belief.loss[than] - view.belief.loss[best])
    return best if gap >= _promising(view) else None


def _promising(view: View) -> float:
    """The least gain over the champion that is worth a test."""
    return max(view.snapshot.rules.min_gain, view.tuning.promote_sigmas * view.belief.noise_sd)


def _over(view: View, crowned: int | None, best: int) -> str:
    than = _root(view) if crowned is None else crowned
    gap = float(view.belief.loss[than] - view.belief.loss[best])
    return f", {number(gap)} ahead of {view.name(than)}"


def _root(view: View) -> int:
    assert view.root is not None, "what was measured has a starting point"
    return view.root


def stalled(view: View) -> bool:
    """No sure gain over the best for a while: now repeats buy more than another guess."""
    best = view.best
    return best is not None and len(view.parent) - best > STALLED


def _top(view: View) -> list[Wanted]:
    """The leaders that cannot be told apart, least measured first."""
    best = view.best
    if best is None:
        return []
    leaders = view.ranked[:4].tolist()
    close = [node for node in leaders if not surely_better(view.belief, best, node, 2.0)]
    close = [node for node in close if view.runs[node] < view.snapshot.rules.max_runs]
    close.sort(key=lambda node: view.runs[node])
    why = "Progress has stalled and the leaders cannot be told apart; measure"
    return [Wanted(node, f"{why} {view.told(node)} again.") for node in close]


def unverified_best(
    view: View, verdicts: Sequence[Verdict], owner: str, *, needed: bool = False
) -> int | None:
    """The best experiment that this owner may still measure, decided ones last.

    With `needed` only one that has had fewer runs than a test may take: without it the hundred
    agents of a new goal that find nothing new would all measure its starting point.
    """
    free = [node for node in view.ranked[:32].tolist() if open_to(view, node, owner)]
    if needed:
        free = [node for node in free if view.runs[node] < view.snapshot.rules.max_runs]
    undecided = [node for node in free if verdicts[node].state in ("claimed", "provisional")]
    return next(iter([*undecided, *free]), None)
