"""Wrong types, lone surrogates and huge numbers end in an exception, never in a panic or an abort."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path


def test_a_million_calls_with_junk_from_eight_threads_end_in_ordinary_exceptions() -> None:
    seed = os.environ.get("COUNTERMARK_TEST_SEED") or str(random.SystemRandom().randrange(2**32))
    program = Path(__file__).with_name("abuse.py")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", program, "1000000", "8", seed],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    said = f"again with COUNTERMARK_TEST_SEED={seed}\n{done.stdout}{done.stderr[-4000:]}"
    assert (done.returncode, done.stdout) == (0, "1000000 calls\n"), said
