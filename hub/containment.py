"""Containment: what the policy sees in a proposal is kept, shown, and holds newcomers back."""

from collections.abc import Sequence
from uuid import uuid4

from sqlmodel import col, select

from hub.db import Work
from hub.errors import HubError
from hub.ops_tables import FindingRow, FlagRow
from hub.policy_lint import Seen
from hub.tables import ExperimentRow, OwnerRow

POLICY = "policy"
"""Who raises the flags that hold a proposal back."""


class PolicyRefused(HubError):
    """The code does what no goal needs; the findings in `data` name the lines, so change them."""

    code, status = "policy_refused", 422


def gate(work: Work, owner: str, seen: Sequence[Seen], trusted_after: int) -> bool:
    """Whether a proposal must wait for an operator before others may run it.

    Raises:
        PolicyRefused: a newcomer's code does what no goal needs.
    """
    levels = {one.level for one in seen}
    if not levels & {"deny", "review"}:
        return False
    trusted = work.session.get_one(OwnerRow, owner).trust >= trusted_after
    if "deny" in levels and not trusted:
        worst = [one for one in seen if one.level == "deny"]
        lines = "; ".join(f"{one.path}:{one.line} {one.detail}" for one in worst[:3])
        raise PolicyRefused(f"{lines}. Do without.", findings=[vars(one) for one in worst[:20]])
    return "deny" in levels or not trusted


def record(work: Work, sha: str, owner: str, seen: Sequence[Seen], held: bool) -> None:
    """Keep the findings with their experiment; a held one waits in the operators' queue."""
    for one in seen:
        work.session.add(
            FindingRow(
                experiment=sha,
                rule=one.rule,
                level=one.level,
                path=one.path[:200],
                line=one.line,
                detail=one.detail,
            )
        )
    if not held:
        return
    row = work.session.exec(select(ExperimentRow).where(col(ExperimentRow.sha) == sha)).one()
    row.forbidden = True
    said = "; ".join(f"{one.path}:{one.line} {one.detail}" for one in seen if one.level != "note")
    work.session.add(
        FlagRow(
            id=uuid4(),
            kind="experiment",
            object=sha,
            concerns=owner,
            by=POLICY,
            reason=said[:400],
            created_at=work.now,
        )
    )
