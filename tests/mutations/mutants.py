"""The small ways in which one module of the program could be wrong, drawn from its syntax: nobody fitted a test to them.

Each mutant is one span of the source and what to put there. Only code inside of functions counts, and of that what
decides something: messages, log lines, annotations and decorators are left alone.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

KINDS = ("limit", "arguments", "give back", "order", "page", "guard", "not", "and or")
GIVES_BACK = frozenset(
    [
        "close", "release", "unlink", "give", "give_back", "discard", "pop", "popleft", "remove", "notify", "notify_all",
        "clear", "cancel", "kill", "terminate", "stop", "shutdown", "rmtree", "rmdir", "delete", "forget", "drop",
        "unsubscribe", "unregister", "free", "detach", "rollback",
    ]
)  # fmt: skip
"""Calls that end, give back or wake something, and whose answer nobody uses."""
PAGE_WORDS = frozenset(["limit", "offset", "page_size", "skip", "first", "last", "max_results"])
_STRICTER = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_BOUND = re.compile(rb"<=|>=|<|>")
_JUNCTION = re.compile(rb"\b(and|or)\b")
_DENIAL = {ast.NotIn: re.compile(rb"\bnot\s+in\b"), ast.IsNot: re.compile(rb"\bis\s+not\b")}
_UNTOUCHED = (ast.JoinedStr, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Constant, ast.Subscript)

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one file: the bytes from `start` to `end` become `after`."""

    file: str
    start: int
    end: int
    kind: str
    line: int
    before: str
    after: str

    def applied(self, source: str) -> str:
        data = source.encode()
        return (data[: self.start] + self.after.encode() + data[self.end :]).decode()

    def changes(self, source: str) -> bool:
        """Return whether the program differs by it: what falls into a comment changes nothing."""
        try:
            changed = ast.dump(ast.parse(self.applied(source)))
        except SyntaxError:
            return False
        return changed != ast.dump(ast.parse(source))


def mutants_of(file: str, source: str, signatures: Mapping[str, Parameters]) -> list[Mutant]:
    """Return all mutants of one module in the order of their places."""
    return sorted(_Module(file, source, signatures).mutants())


def signatures_of(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, Parameters]]:
    """Yield the parameters of each function and record among some nodes, by its bare name."""
    for node in nodes:
        if isinstance(node, _FUNCTIONS):
            yield node.name, _parameters(node)
        elif isinstance(node, ast.ClassDef) and node.decorator_list:
            fields = [one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
            yield node.name, tuple((ast.unparse(one.target), ast.unparse(one.annotation)) for one in fields)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Parameters:
    named = [*node.args.posonlyargs, *node.args.args]
    if named and named[0].arg in {"self", "cls"}:
        del named[0]
    return tuple(
        (one.arg, ast.unparse(one.annotation) if one.annotation else "") for one in named + node.args.kwonlyargs
    )


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what decides something below a node."""
    if isinstance(node, _UNTOUCHED) or _is_log(node):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(child)


def _is_log(node: ast.AST) -> bool:
    """Return whether a node is a call that only writes a line to the log."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return isinstance(node.func.value, ast.Name) and node.func.value.id.strip("_").lower() in {"log", "logger"}


def _is_text(node: ast.expr) -> bool:
    """Return whether an argument is written out for people to read."""
    texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return any(" " in one for one in texts)


class _Module:
    def __init__(self, file: str, source: str, signatures: Mapping[str, Parameters]) -> None:
        self._file, self._data, self._signatures = file, source.encode(), signatures
        self._tree = ast.parse(source)
        self._lines = [0]
        for line in self._data.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def mutants(self) -> Iterator[Mutant]:
        outer = [node for node in ast.walk(self._tree) if isinstance(node, _FUNCTIONS)]
        seen: set[int] = set()
        for function in outer:
            for statement in function.body:
                for node in _walk(statement):
                    if id(node) not in seen:
                        seen.add(id(node))
                        yield from self._of(node)

    def _of(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare():
                yield from self._limits(node)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                yield from self._numbers("limit", node.left, node.right)
            case ast.BoolOp():
                for left, right in itertools.pairwise(node.values):
                    yield from self._swapped(left, right, _JUNCTION, "and or", {"and": "or", "or": "and"})
            case ast.UnaryOp(op=ast.Not()):
                start, end = self._start(node), self._start(node.operand)
                opened = self._data[start + len(b"not") : end]
                yield self._made(start, end, "not", opened.strip().decode())
            case ast.If(body=[*_, ast.Return() | ast.Raise() | ast.Continue() | ast.Break()]):
                yield from self._denied(node.test)
            case ast.IfExp():
                yield from self._denied(node.test)
            case ast.comprehension():
                for test in node.ifs:
                    yield from self._denied(test)
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in GIVES_BACK:
                yield self._node(node, "give back", "pass")
            case ast.Delete(targets=[ast.Subscript()]):
                yield self._node(node, "give back", "pass")
            case ast.Subscript(ctx=ast.Load(), slice=ast.Slice(lower=lower, upper=upper)):
                for bound in (lower, upper):
                    yield from self._one_more(bound)
            case ast.Subscript(ctx=ast.Load(), slice=ast.Constant(value=0)):
                yield self._node(node.slice, "order", "-1")
            case ast.Subscript(ctx=ast.Load(), slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1))):
                yield self._node(node.slice, "order", "0")
            case ast.Call():
                yield from self._of_call(node)
            case _:
                return

    def _limits(self, node: ast.Compare) -> Iterator[Mutant]:
        parts = [node.left, *node.comparators]
        for left, operator, right in zip(parts, node.ops, parts[1:], strict=False):
            if isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                yield from self._swapped(left, right, _BOUND, "limit", _STRICTER)
            elif (pattern := _DENIAL.get(type(operator))) is not None:
                words = {"not": "in", "is": "is"}
                yield from self._swapped(left, right, pattern, "not", words)
        yield from self._numbers("limit", *parts)

    def _numbers(self, kind: str, *nodes: ast.expr) -> Iterator[Mutant]:
        for node in nodes:
            if isinstance(node, ast.Constant) and type(node.value) is int:
                for other in (node.value + 1, node.value - 1):
                    yield self._node(node, kind, str(other) if other >= 0 else f"({other})")

    def _denied(self, test: ast.expr) -> Iterator[Mutant]:
        if not isinstance(test, ast.UnaryOp) and not any(isinstance(one, ast.NamedExpr) for one in ast.walk(test)):
            yield self._node(test, "guard", f"(not ({self._text(test)}))")

    def _one_more(self, bound: ast.expr | None) -> Iterator[Mutant]:
        if isinstance(bound, ast.Constant) and type(bound.value) is int:
            yield self._node(bound, "page", str(bound.value + 1))
        elif bound is not None and not isinstance(bound, ast.Constant):
            text = self._text(bound)
            yield self._node(bound, "page", f"{text} + 1" if isinstance(bound, _ATOMS) else f"({text}) + 1")

    def _of_call(self, node: ast.Call) -> Iterator[Mutant]:
        name = str(getattr(node.func, "id", None) or getattr(node.func, "attr", ""))
        if isinstance(node.func, ast.Name) and name in {"min", "max"}:
            yield self._node(node.func, "order", "max" if name == "min" else "min")
        if isinstance(node.func, ast.Name) and name == "reversed":
            yield self._node(node.func, "order", "iter")
        if name in {"sorted", "sort"}:
            yield from self._turned(node)
        if name in {"range", "min", "max"}:
            yield from self._numbers("limit", *node.args)
        for word in node.keywords:
            if word.arg in PAGE_WORDS:
                yield from self._one_more(word.value)
            if word.arg == "key" and isinstance(word.value, ast.Lambda) and isinstance(word.value.body, ast.Tuple):
                yield from self._exchanged("order", *word.value.body.elts[:2])
        if isinstance(node.func, ast.Attribute) and name in {"limit", "offset"} and len(node.args) == 1:
            yield from self._one_more(node.args[0])
        yield from self._arguments(node, self._signatures.get(name, ()))

    def _turned(self, node: ast.Call) -> Iterator[Mutant]:
        known = next((word.value for word in node.keywords if word.arg == "reverse"), None)
        if known is not None:
            yield self._node(known, "order", f"(not ({self._text(known)}))")
        elif not (len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp)):
            end = self._end(node)
            inside = self._data[self._end(node.func) + 1 : end - 1].rstrip()
            yield self._made(
                end - 1, end, "order", f"{', ' if inside and not inside.endswith(b',') else ''}reverse=True)"
            )

    def _arguments(self, node: ast.Call, parameters: Parameters) -> Iterator[Mutant]:
        """Exchange what goes to two neighbours of one type."""
        if any(isinstance(one, ast.Starred) for one in node.args):
            return
        types = dict(parameters)
        given = [(argument, kind) for argument, (_, kind) in zip(node.args, parameters, strict=False)]
        given += [(word.value, types[word.arg]) for word in node.keywords if word.arg in types]
        for (one, kind), (other, its) in itertools.pairwise(given):
            if kind and kind == its and not (_is_text(one) or _is_text(other)):
                yield from self._exchanged("arguments", one, other)

    def _exchanged(self, kind: str, *nodes: ast.expr) -> Iterator[Mutant]:
        if len(nodes) == 2 and (first := self._text(nodes[0])) != (second := self._text(nodes[1])):
            start, end = self._start(nodes[0]), self._end(nodes[1])
            between = self._data[self._end(nodes[0]) : self._start(nodes[1])].decode()
            yield self._made(start, end, kind, f"{second}{between}{first}")

    def _swapped(
        self, left: ast.expr, right: ast.expr, pattern: re.Pattern[bytes], kind: str, others: Mapping[str, str]
    ) -> Iterator[Mutant]:
        """Exchange the word or sign that stands between two operands."""
        if found := pattern.search(self._data, self._end(left), self._start(right)):
            word = found.group().decode().split()[0]
            yield self._made(found.start(), found.end(), kind, others[word])

    def _node(self, node: ast.expr | ast.stmt, kind: str, after: str) -> Mutant:
        return self._made(self._start(node), self._end(node), kind, after)

    def _made(self, start: int, end: int, kind: str, after: str) -> Mutant:
        before = self._data[start:end].decode()
        return Mutant(self._file, start, end, kind, self._data.count(b"\n", 0, start) + 1, before, after)

    def _text(self, node: ast.expr) -> str:
        return self._data[self._start(node) : self._end(node)].decode()

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        return self._lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
