"""Who takes part: modules, packages, and where each keeps what it compiles."""
import importlib.metadata
import importlib.util
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Framework:
    """A column of the table.

    `caches` are environment variables that lead its disk cache into a folder (`{}`), `settings`
    any others.
    """

    name: str
    title: str
    module: str                     # its spelling of the works, in this folder
    imports: tuple[str, ...]        # what a program of it imports
    packages: tuple[str, ...]       # whose versions matter
    caches: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    ours: bool = False

    @property
    def present(self) -> bool:
        return importlib.util.find_spec(self.imports[0].partition(".")[0]) is not None

    def environment(self, folder: str | None = None) -> dict[str, str]:
        """Variables for its process; with a folder, the disk cache is there."""
        moved = {k: v.format(folder) for k, v in self.caches.items()} if folder else {}
        return self.settings | moved


SYMGRAD = ("symgrad", "symgrad.tensor")
SYMGRAD_CACHES = {"SYMGRAD_CACHE_DIR": "{}"}
TORCH = {"TORCHINDUCTOR_CACHE_DIR": "{}", "TRITON_CACHE_DIR": "{}/triton"}

FRAMEWORKS = (
    Framework("symgrad", "symgrad", "with_symgrad", SYMGRAD, ("symgrad", "llvmlite"),
              SYMGRAD_CACHES, {"SYMGRAD_BACKEND": "auto"}, ours=True),
    Framework("symgrad-numpy", "its numpy", "with_symgrad", SYMGRAD, (), SYMGRAD_CACHES,
              {"SYMGRAD_BACKEND": "numpy"}, ours=True),
    Framework("numpy", "by hand", "with_numpy", ("numpy",), ("numpy",)),
    Framework("jax", "JAX", "with_jax", ("jax", "jax.numpy"), ("jax", "jaxlib"),
              {"JAX_COMPILATION_CACHE_DIR": "{}",
               "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
               "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"},
              {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}),
    Framework("torch", "torch", "with_torch", ("torch",), ("torch",)),
    Framework("torch.compile", "torch.compile", "with_torch_compile", ("torch",), ("torch",),
              TORCH, {"TORCHINDUCTOR_COMPILE_THREADS": "1"}),
    Framework("pytensor", "PyTensor", "with_pytensor", ("pytensor", "pytensor.tensor"),
              ("pytensor", "numba"),
              {"PYTENSOR_FLAGS": "base_compiledir={}", "NUMBA_CACHE_DIR": "{}/numba"},
              {"NUMBA_NUM_THREADS": "1"}),
    Framework("autograd", "autograd", "with_autograd", ("autograd.numpy", "autograd"),
              ("autograd",)),
)
BY_NAME = {framework.name: framework for framework in FRAMEWORKS}


def versions(frameworks) -> dict[str, str]:
    """The packages that took part, with their versions."""
    found = {}
    for package in dict.fromkeys(p for f in frameworks for p in f.packages):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
