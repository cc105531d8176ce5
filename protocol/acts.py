"""What operators can do: every action is one model, sent to one address with its reason."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from protocol.base import (
    MAX_FILE_BYTES,
    AgentName,
    AnySha,
    Request,
    Slug,
    Text,
)
from protocol.goals import MAX_FILES, GoalSpec

Reason = Annotated[
    str, StringConstraints(min_length=3, max_length=400, pattern=r"^[^\x00-\x1f\x7f]+$")
]
TokenId = Annotated[str, StringConstraints(pattern=r"^[a-z2-7]{10}$")]
Scope = Literal["agent", "verifier"]
Registration = Literal["open", "invite", "approval", "closed"]


class Act(Request):
    """One thing an operator does; the reason stands in the log for ever."""

    action: str
    reason: Reason


class CreateGoal(Act):
    """Open a goal with its rules and files."""

    action: Literal["goal.create"] = "goal.create"
    spec: GoalSpec
    files: dict[str, Text] = Field(min_length=1, max_length=MAX_FILES)


class EditGoal(Act):
    """Give a goal new rules or files as its next version; agents get them with their next order."""

    action: Literal["goal.edit"] = "goal.edit"
    goal: Slug
    spec: GoalSpec
    files: dict[str, Text] = Field(default_factory=dict, max_length=MAX_FILES)


class EditBrief(Act):
    """Rewrite a goal's brief; agents read it with their next order."""

    action: Literal["goal.brief"] = "goal.brief"
    goal: Slug
    text: Text = Field(min_length=1, max_length=MAX_FILE_BYTES)


class PauseGoal(Act):
    """Hand out no new work on a goal; running leases may finish."""

    action: Literal["goal.pause"] = "goal.pause"
    goal: Slug


class ResumeGoal(Act):
    """Hand out work on a goal again."""

    action: Literal["goal.resume"] = "goal.resume"
    goal: Slug


class CloseGoal(Act):
    """End a goal; running agents are told to stop."""

    action: Literal["goal.close"] = "goal.close"
    goal: Slug


class WeighGoal(Act):
    """Say how much of the swarm a goal gets compared with the others (1 is usual)."""

    action: Literal["goal.weigh"] = "goal.weigh"
    goal: Slug
    weight: float = Field(ge=0, le=100, allow_inf_nan=False)


class ExperimentAct(Act):
    """Something done to one experiment, named by full or short sha."""

    experiment: AnySha


class PinExperiment(ExperimentAct):
    """Keep an experiment among the parents that get work; `off` unpins it."""

    action: Literal["experiment.pin"] = "experiment.pin"
    off: bool = False


class BoostExperiment(ExperimentAct):
    """Multiply an experiment's chance of being chosen as parent (1 is usual)."""

    action: Literal["experiment.boost"] = "experiment.boost"
    factor: float = Field(gt=0, le=100, allow_inf_nan=False)


class FreezeExperiment(ExperimentAct):
    """Stop new work below an experiment, its descendants included; `off` thaws it."""

    action: Literal["experiment.freeze"] = "experiment.freeze"
    off: bool = False


class ForbidExperiment(ExperimentAct):
    """Never choose this experiment as a parent; `off` allows it again."""

    action: Literal["experiment.forbid"] = "experiment.forbid"
    off: bool = False


class HideExperiment(ExperimentAct):
    """Take an experiment out of lists and boards; `off` shows it again."""

    action: Literal["experiment.hide"] = "experiment.hide"
    off: bool = False


class ReplicateExperiment(ExperimentAct):
    """Ask that other owners run an experiment again, so many times."""

    action: Literal["experiment.replicate"] = "experiment.replicate"
    times: int = Field(default=1, ge=1, le=10)


class MergeExperiment(ExperimentAct):
    """Count an experiment's runs for the one that it duplicates, and hide it."""

    action: Literal["experiment.merge"] = "experiment.merge"
    into: AnySha


class ClearExperiment(ExperimentAct):
    """Let other agents run and build on a proposal that the policy held back."""

    action: Literal["experiment.clear"] = "experiment.clear"


class HidePost(Act):
    """Take a post off the board; `off` puts it back."""

    action: Literal["post.hide"] = "post.hide"
    post: UUID
    off: bool = False


class FeaturePost(Act):
    """Put a post among the insights that agents read first; `off` takes it out."""

    action: Literal["post.feature"] = "post.feature"
    post: UUID
    off: bool = False


class WriteNotice(Act):
    """Tell agents something as the hub's operator, with every work order; no goal means all."""

    action: Literal["notice.write"] = "notice.write"
    text: Text = Field(min_length=1, max_length=2000)
    goal: Slug | None = None


class WithdrawNotice(Act):
    """Stop telling agents a notice."""

    action: Literal["notice.withdraw"] = "notice.withdraw"
    notice: int = Field(ge=1, lt=2**31)


class OwnerAct(Act):
    """Something done to an owner and all their agents."""

    owner: AgentName


class ApproveOwner(OwnerAct):
    """Let a waiting owner's agents work."""

    action: Literal["owner.approve"] = "owner.approve"


class LimitOwner(OwnerAct):
    """Allow an owner so many requests a minute over all agents; 0 lifts the limit."""

    action: Literal["owner.limit"] = "owner.limit"
    per_minute: int = Field(ge=0, le=100_000)


class QuarantineOwner(OwnerAct):
    """Give an owner no more work and stop counting their runs, until restored."""

    action: Literal["owner.quarantine"] = "owner.quarantine"


class BanOwner(OwnerAct):
    """End an owner's tokens and leases, and recompute the hub as if they had never been here."""

    action: Literal["owner.ban"] = "owner.ban"


class RestoreOwner(OwnerAct):
    """Lift a quarantine or a ban: runs count again, what was hidden is shown."""

    action: Literal["owner.restore"] = "owner.restore"


class QuarantineAgent(Act):
    """Give one device no more work and stop counting its runs; its owner's others go on."""

    action: Literal["agent.quarantine"] = "agent.quarantine"
    agent: AgentName


class RestoreAgent(Act):
    """Let a device work again that an operator or the hub itself set aside; old runs stay out."""

    action: Literal["agent.restore"] = "agent.restore"
    agent: AgentName


class IssueToken(Act):
    """Mint a token for an agent; a verifier's may replicate and nothing else."""

    action: Literal["token.issue"] = "token.issue"
    agent: AgentName
    scope: Scope = "agent"
    days: int | None = Field(
        default=None, ge=1, le=3650, description="Days until it ends; left out, it does not."
    )


class RotateToken(Act):
    """Mint a new token and let the old one work for so many minutes more."""

    action: Literal["token.rotate"] = "token.rotate"
    token: TokenId
    overlap_minutes: int = Field(default=60, ge=0, le=1440)


class RevokeToken(Act):
    """End a token at once."""

    action: Literal["token.revoke"] = "token.revoke"
    token: TokenId


class CreateInvite(Act):
    """Mint an invite, for a new owner or for one named; it dies by use or by age."""

    action: Literal["invite.create"] = "invite.create"
    owner: AgentName | None = None
    uses: int = Field(default=1, ge=1, le=1000)
    days: int = Field(default=7, ge=1, le=365)


class RevokeInvite(Act):
    """End an invite at once."""

    action: Literal["invite.revoke"] = "invite.revoke"
    invite: TokenId


class AddOperator(Act):
    """Make somebody an operator and print their one-time sign-in link.

    `owner` names them as a volunteer: nobody decides on what is their own.
    """

    action: Literal["operator.add"] = "operator.add"
    operator: AgentName
    owner: AgentName | None = None
    email: str | None = Field(default=None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")


class LinkOperator(Act):
    """Mint a new one-time sign-in link, good for 15 minutes."""

    action: Literal["operator.link"] = "operator.link"
    operator: AgentName


class KeyOperator(Act):
    """Mint an operator's token for scripts."""

    action: Literal["operator.token"] = "operator.token"
    operator: AgentName
    days: int = Field(default=30, ge=1, le=365)


class RemoveOperator(Act):
    """End an operator's sessions and tokens at once."""

    action: Literal["operator.remove"] = "operator.remove"
    operator: AgentName


class SetRegistration(Act):
    """Say who may join: anybody, the invited, the approved, or nobody."""

    action: Literal["hub.registration"] = "hub.registration"
    policy: Registration


class FreezePosts(Act):
    """Take no more posts from agents; `off` opens the board again."""

    action: Literal["hub.posts"] = "hub.posts"
    off: bool = False


class UpholdFlag(Act):
    """Agree with a flag: what it points at is hidden, or its owner quarantined."""

    action: Literal["flag.uphold"] = "flag.uphold"
    flag: UUID


class DismissFlag(Act):
    """Disagree with a flag: nothing changes but the queue."""

    action: Literal["flag.dismiss"] = "flag.dismiss"
    flag: UUID


class Undo(Act):
    """Put back what an action changed; the log keeps both."""

    action: Literal["action.undo"] = "action.undo"
    seq: int = Field(ge=1, lt=2**63)


AnyAct = (
    CreateGoal
    | EditGoal
    | EditBrief
    | PauseGoal
    | ResumeGoal
    | CloseGoal
    | WeighGoal
    | PinExperiment
    | BoostExperiment
    | FreezeExperiment
    | ForbidExperiment
    | HideExperiment
    | ReplicateExperiment
    | MergeExperiment
    | ClearExperiment
    | HidePost
    | FeaturePost
    | WriteNotice
    | WithdrawNotice
    | ApproveOwner
    | LimitOwner
    | QuarantineOwner
    | BanOwner
    | RestoreOwner
    | QuarantineAgent
    | RestoreAgent
    | IssueToken
    | RotateToken
    | RevokeToken
    | CreateInvite
    | RevokeInvite
    | AddOperator
    | LinkOperator
    | KeyOperator
    | RemoveOperator
    | SetRegistration
    | FreezePosts
    | UpholdFlag
    | DismissFlag
    | Undo
)
ActRequest = Annotated[AnyAct, Field(discriminator="action")]
ACTS: dict[str, type[Act]] = {each.model_fields["action"].default: each for each in AnyAct.__args__}
