"""A stranger's repository, with a file for each module that any of our processes might load and hooks for git."""

import csv
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {"mlops_desk", "mlops_desk_resources", "tests", "sitecustomize", "usercustomize"}
HOOK = "#!/bin/sh\necho git >> {said}\n"


class Hostile:
    """A repository with a file for each module that any of our processes might load, each of which notes that it ran."""

    def __init__(self, root: Path) -> None:
        self.folder, self.said = root / "repository", root / "said"
        self.folder.mkdir(parents=True)
        for name in {*sys.stdlib_module_names, *packages_distributions(), *OURS}:
            self.lay(name)
        subprocess.run(["git", "init", "-q", self.folder], check=True, timeout=60)
        hook = root / "hook"
        hook.write_text(HOOK.format(said=self.said))
        hook.chmod(0o755)
        with (self.folder / ".git/config").open("a") as config:
            config.write(
                f"[core]\nfsmonitor = {hook}\nsshCommand = {hook}\npager = {hook}\n[diff]\nexternal = {hook}\n"
            )
        for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
            (self.folder / ".git/hooks" / name).symlink_to(hook)
        with (self.folder / "rows.csv").open("w") as file:
            csv.writer(file).writerows([["x", "y"], *([n, n % 7] for n in range(300))])
        (self.folder / "job.yaml").write_text(
            "apiVersion: mlops-desk/v1\nkind: Job\nname: here\nimage: none:1\nsource: {folder: .}\ncommand: [python, x.py]\n"
        )
        (self.folder / "mlops-desk.yaml").write_text(
            "apiVersion: mlops-desk/v1\nkind: Pipeline\nname: p\nstages:\n  - {name: a, image: 'none:1', command: [x]}\n"
        )

    def lay(self, name: str) -> None:
        if name.isidentifier():
            text = f"with open({str(self.said)!r}, 'a') as file:\n    file.write({name!r} + ' ')\n"
            (self.folder / f"{name}.py").write_text(text)

    def ran(self) -> str:
        """Return what was run of it since this was asked last."""
        said = self.said.read_text() if self.said.exists() else ""
        self.said.unlink(missing_ok=True)
        return said


def run(hostile: Hostile, command: list[str], environment: dict[str, str], given: str = "") -> str:
    done = subprocess.run(
        command,
        cwd=hostile.folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done.stdout + done.stderr


def console_script(folder: Path) -> str:
    """Return the command of an installed wheel, as pip writes it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["mlops-desk"].partition(":")
    script = folder / "mlops-desk"
    script.write_text(
        f"#!{sys.executable}\nimport re\nimport sys\nfrom {module} import {function}\nif __name__ == '__main__':\n"
        f"    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n    sys.exit({function}())\n"
    )
    script.chmod(0o755)
    return str(script)


def environment_of(folder: Path) -> dict[str, str]:
    """Return an environment of its own for what is started beside the repository."""
    names = {"MLOPS_DESK_DATA_DIR": "data", "MLOPS_DESK_LEASE_DIR": "leases", "XDG_CONFIG_HOME": "config"}
    return {
        **os.environ,
        **{name: str(folder / place) for name, place in names.items()},
        "QT_QPA_PLATFORM": "offscreen",
    }
