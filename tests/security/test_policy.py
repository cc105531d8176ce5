"""What code would do is seen before anybody runs it, and holds newcomers back."""

import pytest
from fastapi.testclient import TestClient
from sqlmodel import col, select

from hub import goal_files, leaks
from hub.core import Hub
from hub.policy_lint import news
from hub.tables import ExperimentRow, OwnerRow
from protocol.operators import Waiting
from tests.builders import TRAIN, a_report
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

DANGEROUS = {"train.py": TRAIN + "import socket\n"}
BASE = {"train.py": "import os\nimport math\n\ndata = open(os.environ['AGENTHUB_DATA'])\n"}


def levels(code: str) -> set[tuple[str, str]]:
    after = {"train.py": BASE["train.py"] + code}
    return {(one.rule, one.level) for one in news(BASE, after)}


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import subprocess\n", "import"),
        ("from socket import create_connection\n", "import"),
        ("import urllib.request as u\n", "import"),
        ("import ctypes\n", "import"),
        ("from kernels import get_kernel\n", "import"),
        ("__import__('socket')\n", "dynamic"),
        ("eval('1')\n", "dynamic"),
        ("exec(compile('1', 'x', 'exec'))\n", "dynamic"),
        ("run = eval\nrun('1')\n", "dynamic"),
        ("os.system('id')\n", "process"),
        ("from os import system as s\ns('id')\n", "process"),
        ("import os as o\no.popen('id')\n", "process"),
        ("os.fork()\n", "process"),
        ("os.unlink('train.py')\n", "process"),
        ("os.kill(1, 9)\n", "process"),
        ("open('/etc/passwd')\n", "file"),
        ("open('../other/val.bin')\n", "file"),
        ("from pathlib import Path\nPath('~/.ssh/id_rsa').read_text()\n", "file"),
        ("open('/proc/self/environ')\n", "file"),
        ("import os.path\nos.system('id')\n", "process"),
        ("import torch\ntorch.hub.load('a/b', 'c')\n", "network"),
        ("import torch.hub as h\nh.load('a/b', 'c')\n", "network"),
        ("import torch.nn.functional as F\nF.cross_entropy = lambda *a: 0\n", "patch"),
        ("import time\ntime.time = lambda: 0\n", "patch"),
        ("import time\nsetattr(time, 'time', None)\n", "patch"),
        ("import sys\nsys._getframe(1).f_locals\n", "innards"),
        ("import sys\nsys.modules['prepare'] = None\n", "innards"),
        ("().__class__.__bases__[0].__subclasses__()\n", "innards"),
        ("(lambda: 0).__globals__\n", "innards"),
    ],
)
def test_what_no_goal_needs_is_denied(code: str, rule: str) -> None:
    assert (rule, "deny") in levels(code)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import sklearn\n", "import"),
        ("import torch\ntorch.manual_seed(1337)\n", "seed"),
        ("import torch\ntorch.load('x')\n", "load"),
        ("import torch\ntorch.load('x', weights_only=False)\n", "load"),
        ("import torch\ntorch.load('x', weights_only=math)\n", "load"),
        ("import torch\ntorch.load('x', mmap=True)\n", "load"),
        ("os.environ['CUDA_VISIBLE_DEVICES'] = ''\n", "environment"),
        ("getattr(os, 'sys' + 'tem')\n", "dynamic"),
        ("globals()['x'] = 1\n", "dynamic"),
    ],
)
def test_what_a_person_should_see_is_marked(code: str, rule: str) -> None:
    assert (rule, "review") in levels(code)


@pytest.mark.parametrize(
    "code",
    [
        "x = math.sqrt(2)\n",
        "import torch\nmodel = torch.compile(model)\nmodel.eval()\n",
        "import torch\ntorch.backends.cuda.matmul.allow_tf32 = True\n",
        "import torch\nfor m in model.modules():\n    m.reset()\n",
        "import re\nre.compile('x')\n",
        "import torch\ntorch.load('x', weights_only=True)\n",
        "setattr(model, 'bias', None)\n",
        "seed = int(os.environ['AGENTHUB_SEED'])\n",
    ],
)
def test_ordinary_training_code_passes(code: str) -> None:
    assert {level for _, level in levels(code)} <= {"note"}


def test_a_thing_that_stood_there_once_is_news_the_second_time() -> None:
    before = {"train.py": "import os\nx = os.system('id')\n"}
    after = {"train.py": "import os\ny = os.system('id')\nz = os.system('id')\n"}

    assert [(one.rule, one.line) for one in news(before, after)] == [("process", 3)]


@pytest.mark.parametrize("name", goal_files.library())
def test_a_goals_own_files_are_no_news(name: str) -> None:
    texts = dict(goal_files.from_library(name).texts)

    assert news(texts, texts) == []


@pytest.fixture
def ready(volta: Volunteer) -> Volunteer:
    """An agent whose next order is to explore."""
    volta.report(volta.claim())
    return volta


def test_a_newcomers_dangerous_code_is_refused_with_the_line(ready: Volunteer) -> None:
    answer = ready.propose(ready.exploring(), files=DANGEROUS)

    assert (answer.status_code, answer.json()["code"]) == (422, "policy_refused")
    found = answer.json()["data"]["findings"][0]
    assert (found["rule"], found["line"]) == ("import", len(DANGEROUS["train.py"].splitlines()))
    assert ready.http.get("/v1/goals/toy").json()["experiments"] == 1


def test_unusual_code_of_a_newcomer_waits_for_an_operator(
    hub: Hub, http: TestClient, ready: Volunteer
) -> None:
    grace = Curator.of(hub, http)
    order = ready.exploring()
    assert ready.propose(order, files={"train.py": TRAIN + "import sklearn\n"}).status_code == 200
    item = grace.queue().items[0]
    told = grace.send("GET", f"experiments/{order.experiment}/findings").json()
    assert (item.waiting, item.object) == (Waiting.HELD, order.experiment)
    assert told["held"] and told["findings"][0]["detail"] == "imports sklearn"

    grace.acts("experiment.clear", experiment=order.experiment)

    assert grace.queue().items == []
    told = grace.send("GET", f"experiments/{order.experiment}/findings").json()
    assert not told["held"] and told["findings"]


def test_what_is_only_noted_holds_nobody_back(hub: Hub, http: TestClient, ready: Volunteer) -> None:
    order = ready.exploring()
    noted = TRAIN + "print(open('train.py').read())\n"
    assert ready.propose(order, files={"train.py": noted}).status_code == 200

    told = Curator.of(hub, http).send("GET", f"experiments/{order.experiment}/findings").json()

    assert ([each["level"] for each in told["findings"]], told["held"]) == (["note"], False)
    with hub.database.read() as session:
        made = select(ExperimentRow.forbidden).where(col(ExperimentRow.sha) == order.experiment)
        assert session.exec(made).one() is False


def test_who_is_borne_out_is_held_instead_of_refused_until_the_first_lie(
    hub: Hub, ready: Volunteer
) -> None:
    order = ready.exploring()
    trusts(hub, "ada", 9)
    assert ready.propose(order, files=DANGEROUS).status_code == 422
    trusts(hub, "ada", 10)
    assert ready.propose(order, files=DANGEROUS).status_code == 200
    ready.report(order, metric=None)
    with hub.database.read() as session:
        made = select(ExperimentRow.forbidden).order_by(col(ExperimentRow.number))
        assert session.exec(made).all() == [False, True]

    trusts(hub, "ada", 0)
    again = ready.propose(ready.exploring(), files=DANGEROUS)
    assert (again.status_code, again.json()["code"]) == (422, "policy_refused")


def trusts(hub: Hub, owner: str, runs: int) -> None:
    with hub.database.work() as work:
        work.session.get_one(OwnerRow, owner).trust = runs


def test_what_is_held_is_nobodys_parent_and_nobodys_replicate(
    ready: Volunteer, tesla: Volunteer
) -> None:
    order = ready.exploring()
    ready.propose(order, files={"train.py": TRAIN + "import sklearn\n"})
    ready.report(order, metric=0.1)

    given = tesla.claim()

    assert order.experiment not in (given.parent, given.experiment)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-" + "a" * 40,
        "sk-proj-" + "b" * 40,
        "hf_" + "c" * 34,
        "ghp_" + "d" * 36,
        "AKIA" + "E" * 16,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ah_agent_abcdefghij_" + "x" * 43,
    ],
)
def test_a_secret_is_refused_and_not_repeated(ready: Volunteer, secret: str) -> None:
    order = ready.exploring()
    answers = [
        ready.propose(order, files={"train.py": TRAIN + f"KEY = '{secret}'\n"}),
        ready.propose(order, hypothesis=f"use {secret}"),
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "secret_found")
        assert secret not in answer.text
    assert secret not in leaks.redact(f"log: {secret}\n")


def test_a_log_keeps_no_secret(http: TestClient, volta: Volunteer) -> None:
    identity = "6a1cfa0c-7f4e-4d30-9f0c-55ad2ddcbd0a"
    secret = "hf_" + "c" * 34

    volta.send("PUT", f"/v1/runs/{identity}", _report(volta, f"step 1\nkey {secret}\n"))

    told = http.get(f"/v1/runs/{identity}/log").text
    assert secret not in told and "a Hugging Face token was here" in told


def _report(volta: Volunteer, log: str) -> object:

    return a_report(volta.claim(), log=log)
