"""How a run failed, named from the last that it printed."""

import pytest

from agent_client.failures import by_log, explain, last_error, without_metric
from agent_client.progress import Transcript
from protocol.runs import Failure


def printed(*lines: str) -> Transcript:
    transcript = Transcript()
    for line in lines:
        transcript.take(line, 1.0)
    return transcript


SIGNS = [
    ("torch.OutOfMemoryError: Tried to allocate 2 GiB", Failure.OOM),
    ("RuntimeError: CUDA out of memory.", Failure.OOM),
    ("MemoryError", Failure.OOM),
    ("OSError: [Errno 12] Cannot allocate memory", Failure.OOM),
    ("RuntimeError: [enforce fail] can't allocate memory", Failure.OOM),
    ("what():  std::bad_alloc", Failure.OOM),
    ("RuntimeError: CUBLAS_STATUS_ALLOC_FAILED", Failure.OOM),
    ("SyntaxError: invalid syntax", Failure.SYNTAX),
    ("IndentationError: unexpected indent", Failure.SYNTAX),
    ("TabError: inconsistent use of tabs", Failure.SYNTAX),
    ("OSError: [Errno 28] No space left on device", Failure.DISK),
    ("OSError: [Errno 122] Disk quota exceeded", Failure.DISK),
    ("OSError: [Errno 27] File too large", Failure.DISK),
    ("RuntimeError: can't start new thread", Failure.PROCESSES),
    ("BlockingIOError: [Errno 11] Resource temporarily unavailable", Failure.PROCESSES),
    ("sh: 1: fork: retry: no child processes", Failure.PROCESSES),
    ("FAIL", Failure.NAN),
    ("the loss is nan", Failure.NAN),
    ("ValueError: loss is not a number", Failure.NAN),
    ("my.own.MemoryErrors are fine", Failure.CRASH),
    ("ValueError: no SyntaxError here", Failure.CRASH),
]


@pytest.mark.parametrize(("line", "failure"), SIGNS, ids=[line for line, _ in SIGNS])
def test_what_a_run_printed_last_names_its_failure(line: str, failure: Failure) -> None:
    named, said = by_log(printed("step 1 | loss: 2.0", line, "", "bye"), 1)

    assert named is failure
    assert said.startswith(explain(failure))


def test_a_sign_outweighs_the_way_a_process_ended_and_without_one_that_is_told() -> None:
    assert by_log(printed("MemoryError"), -9) == (
        Failure.OOM,
        "It needed more memory than there is. MemoryError",
    )
    assert by_log(printed("RuntimeError: CUDA out of memory. Tried 2 GiB", "bye"), 1) == (
        Failure.OOM,
        "It needed more memory than there is. RuntimeError: CUDA out of memory. Tried 2 GiB",
    )
    assert by_log(printed("step 1"), -9) == (Failure.KILLED, "It was killed. signal 9")
    assert by_log(printed(), 3) == (Failure.CRASH, "It crashed. exit status 3")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["KeyError: 'a'", "ValueError: b", "  raise it", ""], "ValueError: b"),
        (["KeyboardInterrupt", "done"], "KeyboardInterrupt"),
        (["UserWarning: odd", "done"], "UserWarning: odd"),
        (["SystemExit: 3", "done"], "SystemExit: 3"),
        (["one", "  two  ", " "], "two"),
        ([], ""),
    ],
)
def test_the_last_exception_tells_most_and_else_the_last_line(lines: list[str], said: str) -> None:
    assert last_error(printed(*lines)) == said


def test_a_long_word_of_a_run_fits_into_a_report() -> None:
    assert len(explain(Failure.CRASH, "x" * 600)) == 500


def test_of_two_lines_in_a_metrics_place_the_last_is_shown() -> None:
    said = without_metric("score", "score: one\n  score: two\nscores: 3\n")

    assert said.startswith("'score: two' is no plain number")
