"""The direction of the arrows, the size of the rooms and the cost of the front door.

Everything here reads source with `ast`; nothing is imported, except in a fresh interpreter.
"""

from __future__ import annotations

import ast
import re
import resource
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "auditor"

# What each layer may import of the package. "" is auditor/__init__.py, which leads on to what Python code may call.
LAYERS = {
    "": {"version", "python_interface"},
    "version": set[str](),
    "errors": set[str](),
    "core": {"core", "errors"},
    "pipeline": {"core", "errors"},
    "adapters": {"version", "adapters", "core", "errors"},
    "cli": {"version", "cli", "adapters", "pipeline", "core", "errors"},
    # The command's work under another front door: the same code, without parsing and printing.
    "python_interface": {"cli", "adapters", "errors"},
    # Where other programs call the audit: like a command, each puts the pieces together for its caller.
    "integrations": {"integrations", "python_interface", "cli", "adapters", "pipeline", "core", "errors"},
    "__main__": {"cli"},
}
# The libraries of the layers that touch neither files nor models.
LIBRARIES = {
    "": set[str](),
    "version": set[str](),
    "errors": set[str](),
    "core": {"numpy", "scipy"},
    "pipeline": set[str](),
    "python_interface": set[str](),
}

MODEL_LIBRARIES = {"captum", "torch", "transformers", "trl", "datasets", "peft", "accelerate", "tokenizers"}
# The adapters that hold models and tokenizers; all others can be imported without torch.
MODEL_ADAPTERS = {
    "auditor.adapters.attribution.coalitions",
    "auditor.adapters.attribution.word_attributions",
    "auditor.adapters.demo.demo_series",
    "auditor.adapters.demo.tiny_llama",
    "auditor.adapters.demo.training",
    "auditor.adapters.hf.bad_layers",
    "auditor.adapters.hf.devices",
    "auditor.adapters.hf.engine",
    "auditor.adapters.hf.gradient_attributions",
    "auditor.adapters.hf.input_gradients",
    "auditor.adapters.hf.live_models",
    "auditor.adapters.hf.model_calls",
    "auditor.adapters.hf.scorer",
    "auditor.adapters.hf.shared_settings",
    "auditor.adapters.hf.loading.model_loading",
    "auditor.adapters.hf.loading.models",
    "auditor.adapters.hf.packed",
    "auditor.adapters.hf.padded",
    "auditor.adapters.hf.path.parameter_path",
    "auditor.adapters.hf.path.path_costs",
    "auditor.adapters.hf.loading.peft_adapters",
    "auditor.adapters.hf.preference_tokens",
    "auditor.adapters.hf.read_ahead",
    "auditor.adapters.hf.rendering",
    "auditor.adapters.hf.reward_texts",
    "auditor.adapters.hf.rewards",
    "auditor.adapters.hf.softmax",
    "auditor.adapters.hf.path.tensor_places",
    "auditor.adapters.hf.token_words",
    "auditor.adapters.hf.tokens",
    "auditor.adapters.hf.tree_attention",
    "auditor.adapters.hf.path.weight_differences",
    "auditor.adapters.hf.path.weight_maps",
    "auditor.adapters.hf.workload",
}
SLOW_LIBRARIES = MODEL_LIBRARIES | {"jinja2", "matplotlib", "numpy", "pandas", "pyarrow", "scipy"}

IMPORT_NAMES = {"pyyaml": "yaml"}
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 60
HELP_SECONDS = 0.5


@dataclass(frozen=True)
class Import:
    """One imported module; ``eager`` where importing the importer imports it too."""

    importer: str
    name: str
    line: int
    eager: bool

    @property
    def where(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if "_data" not in path.parts}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def imports_in(module: str, parent: ast.AST, *, eager: bool) -> Iterator[Import]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, eager)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: write imports in full"
            for alias in node.names:
                # "from a import b" may name a module b or something inside a.
                inner = f"{node.module}.{alias.name}"
                yield Import(module, inner if inner in modules() else str(node.module), node.lineno, eager)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            yield from imports_in(module, node, eager=eager and not function and not checking)


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(one for name in modules() for one in imports_in(name, tree(name), eager=True))


def test_arrows_run_down_only() -> None:
    known = set(LAYERS)
    assert {layer(module) for module in modules()} <= known, "a new layer needs a line in LAYERS"
    wrong = [
        one.where
        for one in all_imports()
        if one.name.split(".")[0] == "auditor"
        and layer(one.name) not in LAYERS[layer(one.importer)]
        and layer(one.name) != layer(one.importer)
    ]
    assert not wrong, "\n".join(wrong)


def test_kernel_imports_only_its_own_libraries() -> None:
    wrong = [
        one.where
        for one in all_imports()
        if layer(one.importer) in LIBRARIES
        and (top := one.name.split(".")[0]) not in {"auditor", *sys.stdlib_module_names}
        and top not in LIBRARIES[layer(one.importer)]
    ]
    assert not wrong, "\n".join(wrong)


def test_imported_libraries_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[^\w.-]", requirement)[0].lower() for requirement in project["dependencies"]]
    declared = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}
    wrong = [
        one.where
        for one in all_imports()
        if one.name.split(".")[0] not in {"auditor", *declared, *sys.stdlib_module_names}
    ]
    assert not wrong, "\n".join(wrong)


def eager_closure(module: str) -> set[str]:
    """Everything of the package, and every library, that importing a module imports."""
    seen: set[str] = set()
    todo = {module}
    while todo:
        current = todo.pop()
        seen.add(current)
        todo |= {one.name for one in all_imports() if one.eager and one.importer == current} - seen
    return {name if name in modules() else name.split(".")[0] for name in seen}


def test_model_libraries_stay_in_the_model_adapters() -> None:
    assert set(modules()) >= MODEL_ADAPTERS, "MODEL_ADAPTERS names a module that is gone"
    above = ("adapters", "python_interface")
    free = [name for name in modules() if layer(name) in above and name not in MODEL_ADAPTERS]
    reached = {name: eager_closure(name) & (MODEL_LIBRARIES | MODEL_ADAPTERS) for name in free}
    wrong = [f"{name} reaches {', '.join(sorted(found))}" for name, found in reached.items() if found]
    assert not wrong, "\n".join(wrong)


def test_cli_modules_import_nothing_slow() -> None:
    wrong = [
        one.where
        for one in all_imports()
        if one.eager and layer(one.importer) == "cli" and one.name.split(".")[0] in SLOW_LIBRARIES
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_cycle() -> None:
    # Imports inside functions count: a cycle that is put off is still a cycle.
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for one in all_imports():
        if one.name in graph and one.name != one.importer:
            graph[one.importer].add(one.name)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_every_module_has_a_test_twin() -> None:
    stems = [path.stem for path in modules().values() if path.stem not in {"__init__", "__main__"}]
    assert sorted(stems) == sorted(set(stems)), "two modules of one name would share a test file"
    missing = [stem for stem in stems if not (ROOT / "tests" / f"test_{stem}.py").is_file()]
    assert not missing, ", ".join(missing)


def test_rooms_stay_small() -> None:
    wrong = []
    for name, path in modules().items():
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > MAX_MODULE_LINES:
            wrong.append(f"{name}: {lines} lines")
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    wrong.append(f"{name}:{node.lineno} {node.name}: {length} lines")
    assert not wrong, "\n".join(wrong)


def test_no_room_for_odds_and_ends() -> None:
    assert [name for name in modules() if name.split(".")[-1] in VAGUE_NAMES] == []


def test_public_functions_and_classes_say_what_they_do() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name in modules()
        for node in tree(name).body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not silent, "\n".join(silent)


def test_help_is_quick() -> None:
    def used() -> float:
        """Seconds of the processor that the children of this process have taken."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    def cost() -> float:
        before = used()
        subprocess.run([sys.executable, "-m", "auditor", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return used() - before

    # The processor's time, and the least of three: what the command costs, not what else the machine is doing.
    assert min(cost() for _ in range(3)) < HELP_SECONDS


@pytest.mark.parametrize("module", ["auditor", "auditor.cli.main"])
def test_front_door_imports_nothing_slow(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert sorted(SLOW_LIBRARIES.intersection(loaded)) == []
