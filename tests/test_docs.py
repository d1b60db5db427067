"""Every public function and class explains itself to one pattern, and its examples run."""

import doctest
import importlib
import inspect
import pkgutil
import re
import sys

import numpy as np
import pytest

import course

INTERNAL = {"__main__", "checking", "cli", "exercises", "widgets"}
MODULES = [
    f"course.{module.name}"
    for module in pkgutil.iter_modules(course.__path__)
    if module.name not in INTERNAL and not module.name.startswith("_")
]
SECTIONS = ["Args", "Returns", "Raises", "Example", "References", "Who differs"]

SUMMARY, FORMULA = "all but the first line", "the formula"
EXCUSED = {  # from what, and why
    "course.surfaces.Descent": (SUMMARY, "a named tuple: `descend`, which returns it, tells all"),
}


def public(module):
    """Give the functions and classes that a module offers; none where it cannot be imported."""
    try:
        loaded = importlib.import_module(module)
    except Exception:  # test_a_module_says_what_it_offers reports it
        return {}
    offered = {name: getattr(loaded, name, None) for name in getattr(loaded, "__all__", ())}
    return {
        f"{module}.{name}": value
        for name, value in offered.items()
        if inspect.isclass(value) or inspect.isroutine(value)
    }


PUBLIC = {name: value for module in MODULES for name, value in public(module).items()}


def sections(doc):
    """Split a docstring at its headings; what comes before the first is under ''."""
    found, heading = {"": []}, ""
    for line in inspect.cleandoc(doc).splitlines():
        match = re.fullmatch(r"([A-Z][A-Za-z ]*):", line)
        heading = match[1] if match else heading
        if match:
            found[heading] = []
        else:
            found[heading].append(line)
    return {heading: inspect.cleandoc("\n".join(lines)) for heading, lines in found.items()}


def parameters(value):
    """Name what a caller passes, with the stars of *args and **kwargs."""
    if getattr(value, "_is_protocol", False):  # nobody calls it
        return []
    try:
        signature = inspect.signature(value)
    except ValueError:
        return []
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [stars.get(p.kind, "") + p.name for p in signature.parameters.values()]


def needed_sections(value):
    without = {"Returns"} if inspect.isclass(value) else set()
    without |= set() if parameters(value) else {"Args"}
    return [section for section in SECTIONS if section not in without]


def has_year(text):
    """Look for a year outside the numbers of DOIs and arXiv ids."""
    return re.search(r"\b(18|19|20)\d\d\b", re.sub(r"(doi:|arXiv:|https?:)\S+", "", text))


def faults(value, excused=None):
    """List what a docstring lacks of the pattern."""
    doc = value.__doc__
    if not doc or not doc.strip():
        return ["no docstring"]
    parts = sections(doc)
    summary = parts[""].partition("\n")[0]
    found = []
    if not summary.endswith("."):
        found.append(f"the first line does not end with a full stop: {summary!r}")
    if excused == SUMMARY:
        return found
    needed = needed_sections(value)
    found += [f"no section {section!r}" for section in needed if not parts.get(section)]
    order = [section for section in parts if section in needed]
    if order != [section for section in needed if section in order]:
        found.append(f"sections in the order {order}, not {needed}")
    described = re.findall(r"^(\*{0,2}\w+):", parts.get("Args", ""), flags=re.MULTILINE)
    if "Args" in needed and described != parameters(value):
        found.append(f"'Args' describes {described}, the signature has {parameters(value)}")
    if excused != FORMULA and not re.search(r"^\.\. math::\s+\S", parts[""], flags=re.MULTILINE):
        found.append("no formula ('.. math::') before the sections")
    if parts.get("Example") and not doctest.DocTestParser().get_examples(parts["Example"]):
        found.append("'Example' has no line that starts with '>>>'")
    if parts.get("References") and not has_year(parts["References"]):
        found.append("'References' gives no year")
    return found


def test_the_public_modules_are_found():
    assert "course.optimizers" in MODULES
    assert "course.optimizers.adam" in PUBLIC


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_offers(module):
    loaded = importlib.import_module(module)
    assert loaded.__doc__, f"{module}: no docstring"
    offered = getattr(loaded, "__all__", [])
    assert offered, f"{module}: no __all__, or an empty one"
    assert len(set(offered)) == len(offered), f"{module}: a name is twice in __all__"
    missing = [name for name in offered if not hasattr(loaded, name)]
    assert not missing, f"{module}: __all__ names {missing}, which the module lacks"
    own = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isroutine(value))
        and value.__module__ == module
    }
    hidden = sorted(own - set(offered))
    assert not hidden, f"{module}: {hidden} are neither in __all__ nor named with a leading _"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_documented_to_the_pattern(name):
    excused, _reason = EXCUSED.get(name, (None, None))
    found = faults(PUBLIC[name], excused)
    assert not found, "\n".join(f"{name}: {fault}" for fault in found)


@pytest.mark.parametrize("name", EXCUSED)
def test_an_excuse_is_still_needed(name):
    assert name in PUBLIC, f"{name}: excused from the pattern, but there is no such name"
    assert faults(PUBLIC[name]), f"{name}: follows the whole pattern and needs no excuse"


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(module):
    """Run them all: doctest.testmod alone would pass by every decorated function."""
    loaded = importlib.import_module(module)
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = {test.name: test for test in finder.find(loaded, module)}
    for name, value in public(module).items():
        # A package gathers what its modules define; np is what every example may use.
        known = {"np": np} | vars(sys.modules[value.__module__]) | vars(loaded)
        tests |= {test.name: test for test in finder.find(value, name, loaded, known)}
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests.values():
        runner.run(test, out=said.append)
    assert runner.tries > 0, f"{module}: no example at all"
    assert runner.failures == 0, "".join(said)


# The pattern is checked too: each thing taken from a good docstring is missed.


def good(theta, *arrays, lr, **hyper):
    r"""Take a step.

    .. math:: θ - γ g

    Args:
        theta: θ, the parameters:
            any shape.
        *arrays: more of them.
        lr: γ.
        **hyper: the rest.

    Returns:
        The new θ.

    Raises:
        ValueError: never.

    Example:
        >>> 1 + 1
        2

    References:
        Cauchy, 1847, doi:10.1000/2001.1999, arXiv:1912.01703.

    Who differs:
        Nobody.
    """


def test_a_good_docstring_has_no_faults():
    assert faults(good) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Take a step.", "Take a step", "the first line does not end with a full stop"),
        (".. math:: θ - γ g", "", "no formula"),
        (".. math:: θ - γ g", ".. math::", "no formula"),
        ("Args:", "Arguments:", "no section 'Args'"),
        ("lr: γ.", "rate: γ.", "'Args' describes ['theta', '*arrays', 'rate', '**hyper']"),
        ("        **hyper: the rest.\n", "", "'Args' describes ['theta', '*arrays', 'lr'], the"),
        ("Returns:\n        The new θ.", "", "no section 'Returns'"),
        ("ValueError: never.", "", "no section 'Raises'"),
        ("Example:", "Examples:", "no section 'Example'"),
        (">>> 1 + 1", "1 + 1", "'Example' has no line that starts with '>>>'"),
        ("References:", "See:", "no section 'References'"),
        ("1847, ", "", "'References' gives no year"),
        ("Who differs:\n        Nobody.", "", "no section 'Who differs'"),
        ("Raises:", "Example:", "no section 'Raises'"),
    ],
)
def test_each_fault_is_found(old, new, fault, monkeypatch):
    assert old in good.__doc__
    monkeypatch.setattr(good, "__doc__", good.__doc__.replace(old, new))
    assert any(text.startswith(fault) for text in faults(good)), faults(good)


def test_another_order_is_found(monkeypatch):
    doc = inspect.cleandoc(good.__doc__)
    raises = "Raises:\n    ValueError: never.\n\n"
    monkeypatch.setattr(good, "__doc__", doc.replace(raises, "") + "\n\n" + raises)
    assert any(text.startswith("sections in the order") for text in faults(good))


def test_a_missing_docstring_is_found(monkeypatch):
    monkeypatch.setattr(good, "__doc__", None)
    assert faults(good) == ["no docstring"]
