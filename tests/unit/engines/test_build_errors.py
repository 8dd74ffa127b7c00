"""The cause of a failed build is found wherever it stands in the output."""

import pytest

from mlops_desk.engines.build_errors import causes, evidence, is_network, lacks_python

CLASSIC = (
    """Step 5/9 : RUN python3 -m pip install --target=/packages -r /requirements.txt
 ---> Running in 0a1b
Looking in links: /wheels
Processing /wheels/numpy-2.4.6-cp311-cp311-linux_x86_64.whl
\x1b[91mERROR: Could not find a version that satisfies the requirement no-such-package==1.0 (from versions: none)
\x1b[0m\x1b[91mERROR: No matching distribution found for no-such-package==1.0
\x1b[0m"""
    + "".join(f"Removing intermediate container {number}\n" for number in range(30))
    + """\
The command '/bin/sh -c python3 -m pip install' returned a non-zero code: 1
"""
)
BUILDKIT = """#9 [build 4/5] RUN python3 -m pip install -r /requirements.txt
#9 1.882 Looking in indexes: https://mirror.example/simple
#9 12.11 WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError: Temporary failure in name resolution'
#9 12.40 ERROR: Could not find a version that satisfies the requirement scikit-learn==9 (from versions: 1.7, 1.8)
#9 12.40 ERROR: No matching distribution found for scikit-learn==9
#9 ERROR: process "/bin/sh -c python3 -m pip install" did not complete successfully: exit code: 1
------
 > [build 4/5] RUN python3 -m pip install:
12.40 ERROR: Could not find a version that satisfies the requirement scikit-learn==9 (from versions: 1.7, 1.8)
12.40 ERROR: No matching distribution found for scikit-learn==9
------
ERROR: failed to solve: process "/bin/sh -c python3 -m pip install" did not complete successfully: exit code: 1
"""


@pytest.mark.parametrize(
    ("text", "last", "count"),
    [
        (CLASSIC, "ERROR: No matching distribution found for no-such-package==1.0", 2),
        (BUILDKIT, "ERROR: No matching distribution found for scikit-learn==9", 3),
        (
            "ok\nOSError: [Errno 28] No space left on device\nmore\n" * 3,
            "OSError: [Errno 28] No space left on device",
            1,
        ),
        ("E: Unable to locate package libgomp1\n", "E: Unable to locate package libgomp1", 1),
        (
            '/usr/bin/python3: No module named pip\nERROR: process "/bin/sh -c" did not complete successfully\n',
            "/usr/bin/python3: No module named pip",
            1,
        ),
        ("#3 0.4 /bin/sh: 1: python3: not found\n", "/bin/sh: 1: python3: not found", 1),
        ("#3 0.4 exec /bin/sh: exec format error\n", "exec /bin/sh: exec format error", 1),
        ("#3 0.4 /bin/sh: pip: command not found\n", "/bin/sh: pip: command not found", 1),
    ],
)
def test_the_lines_that_name_the_cause_are_found_once_each(text: str, last: str, count: int) -> None:
    found = causes(text)
    assert (found[-1], len(found)) == (last, count)
    assert evidence(text, 15) == found


def test_where_no_line_is_known_for_an_error_the_last_ones_are_shown() -> None:
    text = "\n".join(f"step {number}" for number in range(50)) + "\n\n"
    assert causes(text) == []
    assert evidence(text, 3) == ["step 47", "step 48", "step 49"]
    assert evidence("", 3) == []


def test_an_index_that_does_not_answer_is_told_apart_from_a_package_that_there_is_not() -> None:
    assert is_network(BUILDKIT)
    assert not is_network(CLASSIC)


def test_a_base_without_python_or_pip_is_told_from_a_package_that_lacks() -> None:
    assert lacks_python("/usr/bin/python3: No module named pip\n")
    assert lacks_python("/bin/sh: 1: python3: not found\n")
    assert not lacks_python("ModuleNotFoundError: No module named pipeline\n")
    assert not lacks_python(BUILDKIT)
