/** Operators' actions in words; what `off` turns round is named by both. */
import type { paths } from "./schema.d.ts";

type Named = paths["/v1/ops/actions"]["post"]["requestBody"]["content"]["application/json"]["action"];

const DEEDS: Record<NonNullable<Named>, string> = {
  "goal.create": "open a goal",
  "goal.edit": "edit a goal",
  "goal.brief": "rewrite a brief",
  "goal.pause": "pause a goal",
  "goal.resume": "resume a goal",
  "goal.close": "close a goal",
  "goal.weigh": "weigh a goal",
  "experiment.pin": "pin or unpin",
  "experiment.boost": "boost",
  "experiment.freeze": "freeze or thaw",
  "experiment.forbid": "forbid or allow as a parent",
  "experiment.hide": "hide or show",
  "experiment.replicate": "ask for more runs",
  "experiment.merge": "merge a duplicate",
  "experiment.clear": "let others run it",
  "post.hide": "hide or show a post",
  "post.feature": "feature a post, or no longer",
  "notice.write": "write a notice",
  "notice.withdraw": "withdraw a notice",
  "owner.approve": "approve an owner",
  "owner.limit": "limit an owner's requests",
  "owner.quarantine": "quarantine an owner",
  "owner.ban": "ban an owner",
  "owner.restore": "restore an owner",
  "agent.quarantine": "set an agent aside",
  "agent.restore": "let an agent work again",
  "token.issue": "issue a token",
  "token.rotate": "replace a token",
  "token.revoke": "end a token",
  "invite.create": "invite somebody",
  "invite.revoke": "end an invite",
  "operator.add": "add an operator",
  "operator.link": "make a sign-in link",
  "operator.token": "issue an operator's token",
  "operator.remove": "remove an operator",
  "hub.registration": "say who may join",
  "hub.posts": "freeze or take posts",
  "flag.uphold": "uphold a flag",
  "flag.dismiss": "dismiss a flag",
  "action.undo": "undo an action",
};

/** An action as people say it; one of a newer hub by its name. */
export const deed = (action: string): string => (DEEDS as Record<string, string>)[action] ?? action;
