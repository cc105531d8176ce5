"""Tried before? An idea or a patch is held against every experiment, failures too.

A patch that fits a goal's champion or baseline is compared by what its code does, as a proposal
would be; whatever reads like it follows, nearest first.
"""

from sqlmodel import Session, col, select

from hub import experiments, goals, likeness, patches, prior, search
from hub.gitstore import GitStore
from hub.likeness import Change
from hub.search_query import words_of
from hub.tables import ExperimentRow, GoalRow
from protocol.search import Idea, Near, Tried

CANDIDATES = 200
MOST = 12
LEAST = 0.08
"""Below this cosine a text has no more in common than its small words."""
MOST_GOALS = 5
WORDS = 24
TOO_USUAL = frozenset(
    words_of(
        "the and for with that this from into not but are was will can may our out its than then "
        "have has more less one two use using import return self def"
    )
)


def look(session: Session, git: GitStore, idea: Idea) -> Tried:
    """What came of ideas like this one.

    Raises:
        NotFound: no such goal.
    """
    if idea.goal is not None:
        goals.find(session, idea.goal)
    patch = patches.parse(idea.text)
    found = _same(session, git, idea.goal, patch) if patch else []
    known = {near.experiment.sha for near in found}
    found += [near for near in _like(session, idea, patch) if near.experiment.sha not in known]
    return Tried(patch=bool(patch), nearest=found[:MOST], hint="" if found else _hint(idea))


def _same(session: Session, git: GitStore, goal: str | None, patch: patches.Patch) -> list[Near]:
    query = select(GoalRow).where(
        col(GoalRow.slug) == goal if goal else col(GoalRow.state) == "open"
    )
    rows = session.exec(query.order_by(col(GoalRow.created_at).desc()).limit(MOST_GOALS))
    return [near for row in rows for near in _same_in(session, git, row, patch)]


def _same_in(session: Session, git: GitStore, goal: GoalRow, patch: patches.Patch) -> list[Near]:
    """A patch fits where it was made: on the champion, on what people see first, or on the root."""
    spec = goals.spec(session, goal)
    for sha in dict.fromkeys(each for each in (goal.champion, goal.root) if each):
        files = git.files(goal.slug, sha)
        changed = patches.lay(patch, files)
        if changed is not None:
            same = prior.same(session, goal.slug, prior.keys(spec, files, changed))
            return [_near(row, level, 1.0) for row, level in same if not row.hidden]
    return []


def _like(session: Session, idea: Idea, patch: patches.Patch) -> list[Near]:
    mine = Change(patches.added(patch), "") if patch else Change("", idea.text)
    words = [word for word in words_of(mine.added or mine.said) if _tells(word)]
    rows = search.nearest(session, list(dict.fromkeys(words))[:WORDS], CANDIDATES)
    rows = [row for row in rows if idea.goal in (None, row.goal) and row.number > 0]
    earlier = [_comparable(row, bool(patch)) for row in rows]
    ranked = likeness.ranked(mine, earlier)
    return [_near(rows[at], "near", score) for at, score in ranked[:MOST] if score > LEAST]


def _tells(word: str) -> bool:
    return len(word) > 2 and word not in TOO_USUAL


def _comparable(row: ExperimentRow, code: bool) -> Change:
    """Words are held against words, and code against code."""
    whole = prior.added_by(row)
    return Change(whole.added, "") if code else Change("", whole.said)


def _near(row: ExperimentRow, level: str, score: float) -> Near:
    sentence = prior.outcome(row)
    if level in prior.LEVELS:
        sentence = f"{prior.LEVELS[level]}: {sentence}"
    view = experiments.view(row)
    return Near(experiment=view, level=level, likeness=round(score, 3), sentence=sentence)


def _hint(idea: Idea) -> str:
    where = f" in {idea.goal}" if idea.goal else ""
    return f"Nothing like it was tried{where}. Other words may find more; failures are here too."
