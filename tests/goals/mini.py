"""A goal small enough to train in seconds: tiny_gpt's own files with smaller numbers."""

import os
import re
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from agent_client.evaluator import Running, Submission
from hub import goal_files
from protocol.goals import GoalSpec
from tests.goals import nursery

PREPARE = {"CONTEXT": "64", "VOCAB": "512", "TRAIN_STORIES": "900", "VAL_STORIES": "60"}
TRAIN = {"DEPTH": "2", "WIDTH": "32", "BATCH_ROWS": "8", "HEAD_LEARNING_RATE": "0.008"}
BUDGET = "tokens=30000"


@dataclass(frozen=True)
class Mini:
    """The shrunken goal, its prepared data, and a view of the data without validation texts."""

    spec: GoalSpec
    files: dict[str, str]
    data: Path
    train_only: Path

    def with_train(self, text: str) -> "Mini":
        """Return the same goal with another train.py."""
        return replace(self, files={**self.files, "train.py": text})


def with_constants(text: str, values: dict[str, str]) -> str:
    """Set named constants; each must be there exactly once."""
    for name, value in values.items():
        text, n = re.subn(rf"(?m)^{name} = \S+", f"{name} = {value}", text)
        assert n == 1, name
    return text


def less_data(text: str, values: dict[str, str]) -> str:
    """A prepare.py that makes other data, which is not held against what it should be."""
    return re.sub(r'(": )"[0-9a-f]{64}"', r'\1""', with_constants(text, values))


def make(
    folder: Path,
    name: str = "tiny_gpt",
    prepare: dict[str, str] = PREPARE,
    train: dict[str, str] = TRAIN,
) -> Mini:
    """Shrink a goal of the library and prepare its data in `folder`."""
    goal = goal_files.from_library(name)
    files = dict(goal.texts)
    files["prepare.py"] = less_data(files["prepare.py"], prepare)
    files["train.py"] = with_constants(files["train.py"], train)
    scoring = {"context": 64, "batch_rows": 8, "sealed_rows": 32, "probe_rows": 16}
    assert goal.spec.scoring is not None
    spec = goal.spec.model_copy(
        update={"scoring": goal.spec.scoring.model_copy(update={**scoring, "max_checkpoint_mb": 8})}
    )
    mini = Mini(spec, files, folder / "data", folder / "train_only")
    _run(lay_out(mini, folder / "prepare"), "prepare.py", {"AGENTHUB_DATA": str(mini.data)})
    shutil.copytree(mini.data / "train", mini.train_only / "train")
    return mini


def lay_out(mini: Mini, folder: Path) -> Path:
    """Write the goal's files into a fresh work folder."""
    folder.mkdir(parents=True)
    for name, text in mini.files.items():
        (folder / name).write_text(text)
    return folder


def train(
    mini: Mini, folder: Path, data: Path | None = None, seed: int = 7, budget: str = BUDGET
) -> Submission:
    """Train for real and return what an evaluator is handed."""
    work = lay_out(mini, folder / "work")
    where = str(data or mini.train_only)
    env = {"AGENTHUB_DATA": where, "AGENTHUB_BUDGET": budget, "AGENTHUB_SEED": str(seed)}
    text = _run(work, "train.py", env)
    printed = re.findall(r"(?m)^val_bpb: (\S+)$", text)
    return Submission(
        files=mini.files,
        out=work / "out",
        data=mini.data,
        scratch=folder / "scratch",
        printed=float(printed[-1]) if printed else None,
        patience=60.0,
    )


def launch(argv: list[str], folder: Path, env: dict[str, str]) -> Running:
    """Start a process without a sandbox: what these tests run is their own."""
    return nursery.start(argv, folder, _env(env))


def _run(work: Path, script: str, env: dict[str, str]) -> str:
    status, said = nursery.run([sys.executable, script], work, _env(env))
    assert status == 0, said[-2000:]
    return said


def _env(more: dict[str, str]) -> dict[str, str]:
    threads = {"OMP_NUM_THREADS": "1", "AGENTHUB_DEVICE": "cpu"}
    return {"PATH": os.environ["PATH"], **threads, **more}
