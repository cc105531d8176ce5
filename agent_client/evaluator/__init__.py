"""The trusted evaluation: a scorer that believes nothing, and a process it asks for logits."""

from agent_client.evaluator.refusal import DataBroken, Rejected
from agent_client.evaluator.verdict import Submission, evaluate
from agent_client.evaluator.wire import Launch, Running

__all__ = ["DataBroken", "Launch", "Rejected", "Running", "Submission", "evaluate"]
