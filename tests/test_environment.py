"""pyproject.toml, environment.yml and the locks say the same, and the locks hold versions and hashes alone."""

import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from analysis.paths import ROOT

TIERS = ("base", "dev", "lab", "inference", "ray")
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def wanted(tier):
    """The requirements that pyproject.toml states for a tier; every tier holds the base."""
    groups = {"base": [], **PYPROJECT["dependency-groups"]}
    return [Requirement(line) for line in PYPROJECT["project"]["dependencies"] + groups[tier]]


def pins(tier):
    """Package -> version, as a lock has them."""
    text = (ROOT / "requirements" / f"{tier}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, flags=re.MULTILINE))


def test_every_tier_has_a_lock():
    assert [lock.stem for lock in LOCKS] == sorted([*TIERS, "uv"])
    assert sorted([*PYPROJECT["dependency-groups"], "base"]) == sorted(TIERS)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_pins_with_hashes_and_nothing_else(lock):
    entries = re.sub(r" \\\n +", " ", lock.read_text(encoding="utf-8")).splitlines()
    pin = r"[a-z0-9][a-z0-9._-]*==[^ ;]+( ; [^@/]+?)?( --hash=sha256:[0-9a-f]{64})+"
    assert entries
    assert [line[:80] for line in entries if not re.fullmatch(pin, line)] == []


@pytest.mark.parametrize("tier", TIERS)
def test_a_lock_satisfies_pyproject(tier):
    locked = pins(tier)
    assert [str(need) for need in wanted(tier) if not need.specifier.contains(locked.get(need.name, "0"))] == []


@pytest.mark.parametrize("tier", TIERS[1:])
def test_tiers_agree_on_the_packages_they_share(tier):
    base, other = pins("base"), pins(tier)
    assert {name: version for name, version in base.items() if other.get(name) != version} == {}


def test_environment_yml_pins_the_direct_dependencies_as_the_lock_does():
    listed = re.findall(r"^ {6}- (.+)$", (ROOT / "environment.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    locked = pins("base")
    assert listed == [*(f"{need.name}=={locked[need.name]}" for need in wanted("base")), "-e ."]


def test_nothing_where_notebooks_run_hides_a_library():
    """The kernel's folder comes first on its path: a `numpy.py` there would be imported instead of numpy."""
    names = {path.stem for folder in (ROOT, ROOT / "notebooks") for path in folder.glob("*.py")}
    names |= {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert names & (set(sys.stdlib_module_names) | {name.replace("-", "_") for name in pins("dev")}) == set()
