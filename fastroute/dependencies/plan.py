"""A tree of dependants -> the flat plan that a connection follows. At declaration, and for new overrides."""

import functools
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, get_args
from weakref import WeakValueDictionary

from starlette.applications import Starlette

from ..exceptions import DeclarationError, DeclarationTypeError, DependencyScopeError, describe, problems_of
from ..params import Concurrency, Lifetime
from .dependant import Dependant, Tree, get_dependant
from .fields import ParamField
from .markers import check_made
from .nesting import Nested, unnested
from .results import Takers, check_result
from .signature import CallKind, runnable

__all__ = ["Overrides", "OverridesProvider", "Plan", "Step", "build_plan", "check_provider", "check_tree"]

#: Lifetimes of yield dependencies, shortest first.
_LIFETIMES = get_args(Lifetime)

#: Dependencies and their replacements. It is asked by `get(call, call)`, as FastAPI asks it.
Overrides = Mapping[Callable[..., Any], Callable[..., Any]]


class OverridesProvider(Protocol):
    """An object whose replacements for dependencies are looked up for each connection; a FastAPI application is one.

    Attributes:
        dependency_overrides: the replacements; None counts as empty.
    """

    @property
    def dependency_overrides(self) -> Overrides | None: ...


def check_provider(provider: Any, call: Callable[..., Any]) -> None:
    """Check the value of `dependency_overrides_provider=`.

    Args:
        provider: an object with `dependency_overrides`, an application that may get the attribute later, or None.
        call: the endpoint, or the class of a router; the error names it.

    Raises:
        DeclarationTypeError: it is neither, so that its overrides would be ignored.
    """
    if provider is None or isinstance(provider, Starlette) or hasattr(provider, "dependency_overrides"):
        return
    advice = "give the application itself"
    if isinstance(provider, Mapping):
        advice = "write app.dependency_overrides = {...}, and dependency_overrides_provider=app"
    problem = f"must have an attribute 'dependency_overrides', and {provider!r} has none; {advice}"
    raise DeclarationTypeError(call, "dependency_overrides_provider", problem)


@dataclass(slots=True)
class Step:
    """One call: a dependency, or at the end of a plan the endpoint.

    Attributes:
        dependant: the node of the tree; the replacement if it is overridden.
        call: the function to run.
        fields: read from the connection, in the order of their validation.
        needs: the steps that must succeed before.
        arguments: the parameters that receive the results of steps.
        takers: the parameters that receive the result of this one; it is dropped if there are none.
    """

    dependant: Dependant
    call: Callable[..., Any]
    fields: tuple[ParamField, ...]
    needs: tuple[int, ...]
    arguments: tuple[tuple[str, int], ...]
    takers: Takers = ()

    @property
    def is_checked_in_thread(self) -> bool:
        """Whether `call` itself checks its result."""
        return self.dependant.kind is CallKind.THREAD and not self.takers

    def check(self, result: Any) -> None:
        """Raise RuntimeError if the result shows that a guard never ran; see `check_result`."""
        check_result(result, self.dependant.call, self.takers)


@dataclass(slots=True)
class Plan:
    """The tree of a route as a list of calls: one for each distinct cache key, in FastAPI's order.

    Attributes:
        steps: the dependencies, then the endpoint.
        answers: each dependency that overrides were asked for, and the answer: its replacement, or itself.
    """

    steps: list[Step]
    answers: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...] = ()

    def is_for(self, overrides: Overrides) -> bool:
        """Whether overrides still answer as they did; compared by identity, as equal replacements may change."""
        for call, answer in self.answers:  # noqa: SIM110  # a generator would take longer
            if overrides.get(call, call) is not answer:
                return False
        return True

    @property
    def yields(self) -> bool:
        """Whether a step has a clean-up."""
        return any(step.dependant.kind.yields for step in self.steps)

    @property
    def needs_life(self) -> bool:
        """Whether something takes a `Deadline`."""
        return any(injection.needs_life for step in self.steps for injection in step.dependant.injected.values())

    @property
    def endpoint(self) -> Callable[..., Any]:
        """The call of the last step; read each time, so that a tool may wrap `route.dependant.call`."""
        return self.steps[-1].dependant.call


def build_plan(dependant: Dependant, path_names: Collection[str], overrides: Overrides | None = None) -> Plan:
    """Flatten a tree.

    Args:
        dependant: the endpoint.
        path_names: the parameters of the route's template, for the signatures of replacements.
        overrides: dependencies and their replacements.

    Raises:
        DependencyScopeError: a value is cleaned up before its taker is done with it.
        DeclarationError: the signature of a replacement asks for something impossible.
        DeclarationTypeError: the overrides are no mapping.
    """
    if overrides is not None and not hasattr(overrides, "get"):
        problem = f"is no mapping but {overrides!r}; write app.dependency_overrides = {{dependency: replacement}}"
        raise DeclarationTypeError(dependant.call, "dependency_overrides", problem)
    planner = _Planner(path_names, overrides, dependant)
    unnested(planner.add(dependant, frozenset()))
    _check_lifetimes(planner.steps)
    _check_limits(planner.steps)
    _note_takers(planner.steps)
    return Plan(planner.steps, tuple(planner.answers.values()))


class _Checked:
    """Trees that need the same, in the same way, were planned without a mistake; each of them keeps this.

    Args:
        tree: the first of them; what it needs must live as long as its key is known.
    """

    def __init__(self, tree: Tree) -> None:
        self.needs = tree.needs


_CHECKED: WeakValueDictionary[tuple[object, ...], _Checked] = WeakValueDictionary()


def check_tree(tree: Tree, path_names: Collection[str]) -> object:
    """Find the mistakes that no single callable shows: as `build_plan`, once for all trees that need the same.

    Args:
        tree: of an endpoint.
        path_names: the parameters of the route's template.

    Returns:
        What the tree must keep, for others.

    Raises:
        DependencyScopeError, DeclarationError: as `build_plan` does.
    """
    key = tree.needs_key
    checked = _CHECKED.get(key)
    if checked is None:
        build_plan(tree.dependant, path_names)
        checked = _CHECKED[key] = _Checked(tree)
    return checked


class _Planner:
    def __init__(self, path_names: Collection[str], overrides: Overrides | None, root: Dependant) -> None:
        self.path_names = path_names
        self.overrides = overrides
        self.root = root
        #: By identity of the dependency.
        self.answers: dict[Any, tuple[Callable[..., Any], Callable[..., Any]]] = {}
        self.steps: list[Step] = []
        self.cache: dict[Any, int] = {}

    def add(self, dependant: Dependant, replaced: frozenset[Any]) -> Nested[int]:
        """Plan a dependant and all it needs; `replaced` are the originals whose replacements need it."""
        identity = _identity(dependant.call)
        scopes = tuple(sorted(dependant.security_scopes)) if dependant.uses_scopes else ()
        # A replacement may depend on its original. Then the original is called, too, and has a result of its own.
        original = identity in replaced
        key = (identity, scopes, dependant.lifetime, original)
        if dependant.use_cache and key in self.cache:
            return self.cache[key]
        if self.overrides is not None and not original and dependant is not self.root:
            replacement = self._answer(self.overrides, dependant.call)
            if replacement is not dependant.call:
                replaced |= {identity}
                dependant = self._replacement(dependant, replacement)
        needs: list[tuple[str | None, int]] = []
        for dependency in dependant.dependencies:
            needs.append((dependency.name, (yield self.add(dependency, replaced))))
        index = len(self.steps)
        self.steps.append(
            Step(
                dependant,
                runnable(dependant.call),
                tuple(dependant.fields),
                tuple(need for _, need in needs),
                tuple((name, need) for name, need in needs if name is not None),
            )
        )
        self.cache.setdefault(key, index)
        return index

    def _answer(self, overrides: Overrides, call: Callable[..., Any]) -> Callable[..., Any]:
        identity = _identity(call)
        if identity is not call:  # without a hash it is no key of a mapping
            return call
        if identity not in self.answers:
            self.answers[identity] = (call, overrides.get(call, call))
        asked, answer = self.answers[identity]
        return call if answer is asked else answer

    def _replacement(self, dependant: Dependant, call: Callable[..., Any]) -> Dependant:
        if dependant.name is None:
            with problems_of(call, None):
                check_made(call, None)
        return get_dependant(
            path=dependant.path,
            call=call,
            path_names=self.path_names,
            name=dependant.name,
            parent_scopes=dependant.security_scopes,
            scope=dependant.scope,
            concurrency=dependant.concurrency,
        )


def _note_takers(steps: list[Step]) -> None:
    for taker in steps:
        for name, need in taker.arguments:
            steps[need].takers += ((taker.dependant.call, name),)
    for step in steps[:-1]:
        if step.is_checked_in_thread:
            step.call = functools.partial(_checked, step.call, step.check)


def _checked(call: Callable[..., Any], check: Callable[[Any], None], /, **arguments: Any) -> None:
    # Still in the thread: trio lets no coroutine out of it, and does not say whose it is.
    check(call(**arguments))


def _identity(call: Callable[..., Any]) -> Any:
    """The key of a callable in the cache: itself (bound methods are equal), or its id if it has no hash."""
    try:
        hash(call)
    except TypeError:
        return id(call)
    return call


def _check_lifetimes(steps: list[Step]) -> None:
    """Check that no value is cleaned up before its taker is done with it.

    A yield dependency must not outlive a value that it takes, directly or through plain dependencies: these may hand
    the value on. The endpoint must not take the value of a handshake-scoped yield dependency itself.
    """
    shortest: list[Step | None] = []
    for step in steps[:-1]:
        taken = [source for need in step.needs if (source := shortest[need]) is not None]
        source = min(taken, key=_lifetime, default=None)
        taker = step.dependant
        if taker.kind.yields and source is not None and _lifetime(source) < _lifetime(step):
            raise DependencyScopeError(
                taker.call,
                source.dependant.name,
                f"comes from {describe(source.dependant.call)}, whose scope {source.dependant.lifetime!r} ends before "
                f"the scope {taker.lifetime!r} of this dependency; give both the same scope",
            )
        shortest.append(source if taker.lifetime is None else step)
    for name, need in steps[-1].arguments:
        taken_step = steps[need].dependant
        if taken_step.kind.yields and taken_step.lifetime == "handshake":
            raise DependencyScopeError(
                steps[-1].dependant.call,
                name,
                f"{describe(taken_step.call)} has scope 'handshake': its clean-up runs before the endpoint starts; "
                "read the data you need from it in a dependency without yield, or use another scope",
            )


def _check_limits(steps: list[Step]) -> None:
    """Check that no step waits for a slot while its own connection keeps all of them until its clean-ups."""
    kept: Counter[Concurrency] = Counter()
    for step in steps:
        limit = step.dependant.concurrency
        if limit is None:
            continue
        if kept[limit] >= limit.max_concurrency:
            raise DeclarationError(
                step.dependant.call,
                None,
                f"Depends(max_concurrency={limit.max_concurrency}) is used again by a connection that keeps every slot "
                "of it until its clean-up, and would wait for ever; remove use_cache=False, or write a Depends() for "
                "each use",
            )
        kept[limit] += step.dependant.kind.yields


def _lifetime(step: Step) -> int:
    lifetime = step.dependant.lifetime
    assert lifetime is not None
    return _LIFETIMES.index(lifetime)
