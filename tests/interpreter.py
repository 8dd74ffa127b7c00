"""A Python for tests that finds modules which the program's own processes would not: those ignore PYTHONPATH."""

import subprocess
import sys
from pathlib import Path


def interpreter(folder: Path, *modules: Path, program: str = sys.executable) -> str:
    """Make an environment in ``folder`` and return its Python: ``modules`` count first, then what counts for us."""
    asked = "import sys; print(getattr(sys, '_base_executable', sys.executable), '%d.%d' % sys.version_info[:2])"
    told = subprocess.run([program, "-I", "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    base, version = told.stdout.split()
    site = folder / "lib" / f"python{version}" / "site-packages"
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(base).parent}\ninclude-system-site-packages = false\n")
    own = [path for path in sys.path if path] if program == sys.executable else []
    (site / "tests.pth").write_text("".join(f"{path}\n" for path in [*modules, *own]))
    return str(folder / "bin" / "python")
