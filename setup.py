"""Builds the one extension. All metadata is in pyproject.toml.

SHMLIMIT_SANITIZE=address|thread|undefined, SHMLIMIT_DEBUG=1 and SHMLIMIT_COVERAGE=1 build for tests; a plain build is
what users get.
"""

import os
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

OURS = ["-std=c11", "-fvisibility=hidden", "-fstack-protector-strong", "-Wall", "-Wextra"]
LINK = ["-Wl,-z,relro,-z,now"]
if sanitizer := os.environ.get("SHMLIMIT_SANITIZE"):
    OURS += [f"-fsanitize={sanitizer}", "-fno-omit-frame-pointer", "-g"]
    LINK += [f"-fsanitize={sanitizer}"]
if os.environ.get("SHMLIMIT_COVERAGE"):
    OURS += ["-O0", "-g", "--coverage", "-fprofile-update=atomic"]
    LINK += ["--coverage"]
elif os.environ.get("SHMLIMIT_DEBUG"):
    OURS += ["-O0", "-g", "-UNDEBUG"]
else:
    OURS += ["-O3", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
    # The core is many small files, and a pair of acquire and release crosses most of them: inlined by gcc's link-time
    # optimisation it takes 35 ns instead of 60. Other compilers may lack the linker plug-in.
    if "gcc" in (os.environ.get("CC") or sysconfig.get_config_var("CC") or ""):
        OURS += ["-flto=auto"]
        LINK += ["-flto=auto"]

core = Extension(
    "shmlimit._core",
    sources=["src/shmlimit/_core.pyx", *sorted(str(path) for path in Path("csrc").glob("*.c"))],
    depends=[*sorted(str(path) for path in Path("csrc").glob("*.h")), "src/shmlimit/_core.pxd"],
    include_dirs=["csrc"],
    extra_compile_args=OURS,
    extra_link_args=LINK,
    libraries=["pthread"],
)

setup(ext_modules=cythonize([core], language_level=3))
