"""What goes on beside requests goes on; packing loses nothing that is read meanwhile."""

from hub import check
from hub.core import Hub
from hub.maintenance import Maintenance, loose_objects, repack
from tests.hub.forest import grow


def size(hub: Hub) -> int:
    files = (hub.git.path("toy") / "objects").rglob("*")
    return sum(path.stat().st_blocks * 512 for path in files if path.is_file())


def test_packing_shrinks_and_keeps_every_commit_though_no_ref_names_it(hub: Hub) -> None:
    shas = grow(hub, 300)
    for sha in shas:
        hub.git.files("toy", sha)  # made from the rows, one loose object at a time
    before = size(hub)

    repack(hub.git.path("toy"))

    assert size(hub) < before / 2
    assert loose_objects(hub.git.path("toy")) == 0
    assert check.check(hub).findings == []


def test_only_what_has_grown_is_packed(hub: Hub) -> None:
    for sha in grow(hub, 300):
        hub.git.files("toy", sha)

    assert Maintenance(hub.git, loose=10**9).turn() == []
    assert Maintenance(hub.git, loose=0).turn() == ["toy"]
    assert Maintenance(hub.git, loose=0).turn() == []
