"""Files: what Landlock leaves open, on kernels of every age, and what the set of open folders must never hold."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from walled import USERS, walled

import archsearch
from archsearch.sandbox import landlock, libraries
from archsearch.sandbox.tiers import Tier

pytestmark = pytest.mark.skipif(landlock.abi() < 1, reason="this kernel has no Landlock")

PACKAGE = Path(archsearch.__file__).resolve().parent


def within(path: Path, folders: list[str]) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in folders)


@pytest.mark.parametrize(
    ("version", "files", "network", "scopes"),
    [
        (1, 13, 0, 0),
        (2, 14, 0, 0),
        (3, 15, 0, 0),
        (4, 15, 3, 0),
        (5, 16, 3, 0),
        (6, 16, 3, 3),
        (7, 16, 3, 3),
        (9, 16, 3, 3),
    ],
)
def test_every_right_that_a_kernel_knows_is_handled(version: int, files: int, network: int, scopes: int) -> None:
    assert landlock.handled(version) == landlock.Handled((1 << files) - 1, network, scopes)


@pytest.mark.parametrize("version", range(1, 8))
def test_an_older_landlock_still_closes_files(version: int, tmp_path: Path) -> None:
    if version > landlock.abi():
        pytest.skip("newer than this kernel")
    secret = tmp_path / "secret"
    secret.write_text("targets")
    ran = walled(f"print(errno_of(open, {str(secret)!r}))", before=f"landlock.abi = lambda: {version}")
    assert ran.exit == 0, ran.err
    assert ran.out == "EACCES\n"


def test_any_error_means_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for refusal in (PermissionError(1, "container"), OSError(38, "old kernel"), OSError(95, "switched off")):

        def refuse(*_: object, error: OSError = refusal) -> int:
            raise error

        monkeypatch.setattr(landlock.kernel, "call", refuse)
        assert landlock.abi() == 0


@pytest.mark.parametrize("user", USERS)
def test_a_file_outside_can_be_neither_read_nor_changed(tmp_path: Path, user: int) -> None:
    tmp_path.chmod(0o777)
    secret = tmp_path / "secret"
    secret.write_text("targets")
    secret.chmod(0o666)
    attempts = f"""
path, made = {str(secret)!r}, {str(tmp_path / "made")!r}
for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_PATH):
    print(errno_of(os.open, path, flags))
for deed in (lambda: os.open(made, os.O_WRONLY | os.O_CREAT), lambda: os.chmod(path, 0o777), lambda: os.utime(path),
             lambda: os.unlink(path), lambda: os.rename(path, made), lambda: os.link(path, made),
             lambda: os.truncate(path, 0), lambda: os.symlink(path, made), lambda: os.mkdir(made),
             lambda: os.mkfifo(made), lambda: os.listdir('/'), lambda: os.chown(path, 1, 1),
             lambda: os.setxattr(path, 'user.a', b''), lambda: os.chdir('/tmp')):
    print(errno_of(deed))
"""
    before = os.stat(secret)
    ran = walled(attempts, user=user)
    assert ran.exit == 0, ran.err
    assert len(ran.out.split()) == 19
    assert set(ran.out.split()) <= {"EACCES", "EPERM"}
    assert secret.read_text() == "targets"
    assert os.stat(secret).st_mode == before.st_mode
    assert os.stat(secret).st_mtime_ns == before.st_mtime_ns
    assert sorted(tmp_path.iterdir()) == [secret]


def test_the_libraries_can_be_imported_still() -> None:
    ran = walled(
        "import colorsys, wave, torch.version; print(torch.version.__version__)",
        before="import torch",
    )
    assert ran.exit == 0, ran.err
    assert ran.out.strip()


@pytest.mark.parametrize("user", USERS)
def test_devices_that_thread_pools_ask(user: int) -> None:
    ran = walled(
        "print(os.read(os.open('/dev/urandom', 0), 4) != b'', os.sysconf('SC_NPROCESSORS_ONLN'))",
        user=user,
    )
    assert ran.out.startswith("True"), ran.err


def test_search_spaces_and_simulators_are_closed() -> None:
    folders = libraries.readable()
    assert within(PACKAGE / "hybrid" / "model.py", folders)
    for sealed in (
        PACKAGE / "_bundled",
        PACKAGE / "systems",
        PACKAGE.parent / "search_spaces",
        PACKAGE.parent / "tests",
    ):
        assert not within(sealed, folders)
    ran = walled(
        "print([errno_of(open, path) for path in sys.argv[1:]])",
        arguments=(str(PACKAGE / "systems" / "pendulum.py"), *map(str, (PACKAGE.parent / "search_spaces").glob("*/*"))),
    )
    assert ran.exit == 0, ran.err
    assert set(eval(ran.out)) == {"EACCES"}


def test_no_open_folder_holds_more_than_a_library() -> None:
    folders = libraries.readable()
    narrow = [
        Path.home(), Path(sys.prefix), Path(sys.base_prefix), Path.cwd(), PACKAGE, Path(sysconfig.get_path("purelib")),
        Path("/"), Path("/usr/lib"), Path("/etc"), Path("/tmp"), Path(sys.prefix) / "pip.conf",
    ]  # fmt: skip
    assert [str(place) for place in narrow if within(place, folders)] == []
    assert len(folders) > 100


def test_an_installed_archsearch_keeps_its_search_spaces_to_itself(tmp_path: Path) -> None:
    """As in a wheel: site-packages of a fresh environment, which also lies within its standard library's reach."""
    venv.create(tmp_path, symlinks=True)
    site = next(tmp_path.glob("lib/python*/site-packages"))
    bundled = site / "archsearch" / "_bundled" / "search_spaces" / "secret"
    bundled.mkdir(parents=True)
    (bundled / "data.csv").write_text("held out")
    for part in ("__init__.py", "errors.py", "sandbox"):
        (site / "archsearch" / part).symlink_to(PACKAGE / part)
    (site / "other.py").write_text("KEY = 1")
    source = """
import os, sys
from archsearch.sandbox import landlock, kernel
from archsearch.sandbox.steps import Steps
open(sys.argv[1]).close()
kernel.prctl(38, 1)
Steps(landlock.restricting(landlock.ruleset(landlock.libraries_only()))).take()
for path in sys.argv[1:]:
    try:
        open(path)
        print('open')
    except PermissionError:
        print('closed')
"""
    paths = [bundled / "data.csv", site / "other.py", tmp_path / "pyvenv.cfg", Path(os.__file__)]
    ran = subprocess.run(
        [tmp_path / "bin" / "python", "-I", "-c", source, *paths], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["closed", "closed", "closed", "open"]


def test_the_standard_library_is_opened_without_the_packages_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "site-packages", "dist-packages"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(libraries.sysconfig, "get_path", lambda _: str(tmp_path))
    folders = libraries.readable()
    assert str(tmp_path / "json") in folders
    assert not within(tmp_path / "site-packages", folders)
    assert not within(tmp_path / "dist-packages", folders)


def test_a_module_in_a_home_does_not_open_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    module = type(sys)("wide")
    module.__path__ = [str(tmp_path)]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wide", module)
    assert not within(home, libraries.readable())


def test_tcp_is_closed_by_landlock_too() -> None:
    """With the filter left out; the canaries would notice, so they are left out as well."""
    if landlock.abi() < 4:
        pytest.skip("this kernel's Landlock knows no network")
    ran = walled(
        "s = socket.socket(); print(errno_of(s.connect, ('127.0.0.1', 9)), errno_of(s.bind, ('127.0.0.1', 0)))",
        before="seccomp.installing = lambda _: Step('do nothing', 'getpid'); canaries.singing = lambda *_: ()",
    )
    assert ran.out.split() == ["EACCES", "EACCES"], ran.err


def test_the_tier_without_landlock_opens_nothing_at_all() -> None:
    ran = walled(
        "print(errno_of(open, os.__file__), errno_of(os.stat, '/'), errno_of(os.listdir, '/'))",
        tier=Tier.SECCOMP,
    )
    assert ran.out.split() == ["EPERM"] * 3, ran.err
