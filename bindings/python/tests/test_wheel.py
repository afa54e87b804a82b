"""What is published: the wheel and the source distribution. Needs both built, as `tests/run` does."""

from __future__ import annotations

import email
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import countermark
import pytest

pytestmark = pytest.mark.skipif("COUNTERMARK_DIST" not in os.environ, reason="tests/run builds the wheel")

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parents[1]
LICENCES = {"LICENSE", "LICENSE-APACHE", "LICENSE-MIT"}
MOST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def wheel() -> Path:
    return only("*.whl")


@pytest.fixture(scope="module")
def sdist() -> Path:
    return only("*.tar.gz")


def test_what_is_tested_is_the_installed_wheel() -> None:
    assert Path(countermark.__file__).is_relative_to(sys.prefix)
    assert not Path(countermark.__file__).is_relative_to(PACKAGE)


def test_one_wheel_serves_every_cpython_from_3_10_on_and_c_libraries_since_2014(wheel: Path) -> None:
    version = importlib.metadata.version("countermark")
    assert re.fullmatch(
        rf"countermark-{version}-cp310-abi3-manylinux2014_\w+\.manylinux_2_17_\w+\.whl", wheel.name
    )


def test_the_wheel_holds_the_package_its_types_and_licences_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
    sources = (PACKAGE / "python").rglob("*")
    package = {str(file.relative_to(PACKAGE / "python")) for file in sources if is_source(file)}
    inside = {str(name) for name in names if name.parts[0] == "countermark"}
    assert inside == package | {"countermark/_native.abi3.so"}
    assert {"countermark/py.typed", "countermark/_native.pyi"} <= inside
    about = [name for name in names if name.parts[0] != "countermark"]
    assert all(name.parts[0].endswith(".dist-info") for name in about), about
    assert {name.name for name in about if "licenses" in name.parts} == LICENCES


def test_the_wheel_is_small_for_it_is_optimised_and_stripped(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        module = archive.read("countermark/_native.abi3.so")
    assert len(module) < MOST_BYTES


def test_the_wheel_says_what_it_is_and_asks_for_nothing_without_an_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        told = email.message_from_bytes(archive.read(name))
    assert told["License-Expression"] == "Apache-2.0 OR MIT"
    assert told["Requires-Python"] == ">=3.10"
    assert all("extra ==" in demand for demand in told.get_all("Requires-Dist") or [])
    assert str(told.get_payload()).startswith("# countermark\n")


def test_the_source_distribution_holds_licences_the_core_and_no_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [PurePosixPath(*PurePosixPath(name).parts[1:]) for name in archive.getnames()]
    paths = {str(name) for name in names}
    assert {"PKG-INFO", "README.md", "Cargo.lock", "crates/core/src/lib.rs"} <= paths
    assert paths >= LICENCES
    folders = ("bindings/python/tests/", "bindings/python/examples/")
    assert [path for path in paths if path.startswith(folders) or path.endswith((".so", ".pyc"))] == []


def test_the_source_distribution_installs_by_itself_with_pip_and_rust(sdist: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    # All its files have one old date, by which Cargo would take what another build has left for theirs. Hence
    # a target directory of its own, in which dependencies alone are kept. Unoptimised, for half the time.
    target = Path(os.environ["COUNTERMARK_DIST"]).with_name("python-sdist")
    for built in target.glob("debug/.fingerprint/countermark-*"):
        shutil.rmtree(built)
    own = {"MATURIN_PEP517_ARGS": "--profile dev", "CARGO_TARGET_DIR": str(target)}
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(there)]
    subprocess.run([*install, str(sdist)], cwd=tmp_path, env={**os.environ, **own}, check=True, timeout=900)
    shown = subprocess.run(
        [sys.executable, "-c", "import countermark as c; print(c.__file__, c.__version__)"],
        env={**os.environ, "PYTHONPATH": str(there)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    file, version = shown.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    assert version == importlib.metadata.version("countermark")


def only(pattern: str) -> Path:
    """The one file of what was built."""
    (file,) = Path(os.environ["COUNTERMARK_DIST"]).glob(pattern)
    return file


def is_source(file: Path) -> bool:
    """Whether a file belongs to the package, and was not left there by work on it."""
    return file.is_file() and file.suffix not in {".so", ".pyc"}
