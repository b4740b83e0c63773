"""``make test`` leaves no test out, and runs none twice."""

from __future__ import annotations

from tests import suite


def test_every_test_file_is_in_exactly_one_group() -> None:
    by_group = {name: paths for name, (paths, _) in suite.groups().items()}
    everywhere = sorted(path for paths in by_group.values() for path in paths)
    assert everywhere == suite.files()
    assert all(by_group.values()), "a group whose paths match nothing is a typing error"


def test_every_path_of_a_group_matches_something() -> None:
    for group in suite.GROUPS:
        for path in group.paths:
            assert suite.files_of(suite.Group("one", (path,), 0)), path
