"""A goal's folder as texts, looked at before it is opened: what keeps it, and what to know."""

from collections.abc import Iterator, Mapping

from sqlmodel import Session, col, select

from hub import goal_files, goal_new, goal_toml, goals
from hub.errors import NotFound
from hub.goal_files import GOAL_TOML, GoalInvalid
from hub.markdown import render
from hub.tables import GoalRow
from protocol.goals import GoalSpec, Source
from protocol.operators import FolderName, GoalCheck, GoalTexts

SKELETON = "skeleton"


def names(session: Session) -> list[FolderName]:
    """What an operator may begin with: this hub's goals, those of the library, a small new one."""
    here = session.exec(select(GoalRow).order_by(col(GoalRow.slug))).all()
    shelf = [goal_files.from_library(name).spec for name in goal_files.library()]
    return [
        *(FolderName(name=row.slug, title=row.title, of="hub") for row in here),
        *(FolderName(name=spec.name, title=spec.title, of="library") for spec in shelf),
        FolderName(name=SKELETON, title="A small goal to be rewritten", of="library"),
    ]


def texts(session: Session, name: str, of: str) -> GoalTexts:
    """The folder of a goal.

    Raises:
        NotFound: there is no such goal.
    """
    if of == "hub":
        goal = goals.find(session, name)
        kept = goals.version(session, name, goal.version)
        return _folder(GoalSpec.model_validate(kept.spec), kept.files)
    if name == SKELETON:
        return _folder(*goal_new.skeleton("my_goal"))
    if name not in goal_files.library():
        raise NotFound(f"There is no goal {name!r} in the library.")
    loaded = goal_files.from_library(name)
    return _folder(loaded.spec, loaded.texts)


def _folder(spec: GoalSpec, files: Mapping[str, str]) -> GoalTexts:
    return GoalTexts(files={GOAL_TOML: goal_toml.dumps(spec), **files})


def check(files: Mapping[str, str]) -> GoalCheck:
    """Everything that is wrong with a folder, and what is worth knowing before it is opened."""
    try:
        spec = goal_files.parse(files.get(GOAL_TOML, ""))
    except GoalInvalid as refused:
        missing = [] if GOAL_TOML in files else [f"{GOAL_TOML} is missing: a goal needs one"]
        return GoalCheck(problems=missing or list(refused.problems))
    wanted = {path: files[path] for path in spec.everything if path in files}
    return GoalCheck(
        problems=list(goal_files.wrong_with(spec, files)),
        notes=list(_notes(spec, files)),
        spec=spec,
        files=wanted,
        brief_html=render(files.get(spec.brief, "")),
    )


def _notes(spec: GoalSpec, files: Mapping[str, str]) -> Iterator[str]:
    yield (
        f"A run may spend {spec.budget.text()} and is stopped after {spec.timeout_seconds:g} s, "
        f"on {' or '.join(spec.device.kinds)}."
    )
    if spec.metric.source is Source.SELF_REPORTED:
        yield "Numbers are self-reported: train.py measures itself, so verification matters."
    if spec.verification.noise_sd is None:
        yield "The noise is not known: once it is open, have the baseline run a few times."
    for path in sorted({*files} - {*spec.everything, GOAL_TOML}):
        yield f"{path} is not named in {GOAL_TOML} and stays behind."
