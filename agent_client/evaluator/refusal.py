"""Why a checkpoint is not scored: the probe that it failed, and the evidence."""

from agent_client.sandbox import clean


class Rejected(Exception):
    """This checkpoint cannot be scored; the probe and its evidence travel with the run.

    Both may be a stranger's words: what no report can hold and no terminal should is taken out.
    """

    code = "evaluation_rejected"

    def __init__(self, probe: str, detail: str) -> None:
        """Name the probe (`checkpoint`, `answers`, ...) and say what was seen."""
        super().__init__(detail)
        self.probe, self.detail = clean(probe), clean(detail)[:500]


class DataBroken(Exception):
    """The goal's validation data is missing or damaged; run its prepare command again."""

    code = "data_broken"
