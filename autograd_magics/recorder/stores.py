"""Which names a call's result is stored under, told from the instructions that follow the call.

A small simulation of the interpreter's stack: the result lies on top, and is followed through copies,
swaps, unpackings and the evaluation of whatever stands beside it until it is stored, used or out of sight.
"""

from __future__ import annotations

import bisect
import dis
import functools
import itertools
import types
from collections.abc import Callable, Iterable
from typing import Any

Stored = tuple[str, "int | None"]
"""(name, index of the result where results were unpacked)"""

REACH = 60
"""Instructions looked at after a call."""

STORES = frozenset({"STORE_NAME", "STORE_FAST", "STORE_GLOBAL", "STORE_DEREF"})
PAIRS = {
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"), "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"), "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_MAYBE_NULL": ("STORE_FAST",),
}  # fmt: skip
"""Instructions of later Pythons that do the work of two."""
QUIET = frozenset({"NOP", "EXTENDED_ARG", "CACHE", "RESUME", "KW_NAMES", "PRECALL", "NOT_TAKEN"})
ROTATIONS = {"ROT_TWO": 2, "ROT_THREE": 3, "ROT_FOUR": 4}

Count = Callable[[int], int]
POPS: dict[str, Count] = {
    "CALL": lambda n: n + 2, "CALL_FUNCTION": lambda n: n + 1, "CALL_METHOD": lambda n: n + 2,
    "CALL_FUNCTION_KW": lambda n: n + 2, "CALL_KW": lambda n: n + 3, "BINARY_OP": lambda n: 2,
    "BINARY_SUBSCR": lambda n: 2, "COMPARE_OP": lambda n: 2, "BUILD_TUPLE": lambda n: n, "BUILD_LIST": lambda n: n,
    "UNARY_NEGATIVE": lambda n: 1, "LOAD_METHOD": lambda n: 1, "LOAD_ATTR": lambda n: 1, "BUILD_SLICE": lambda n: n,
    "PUSH_NULL": lambda n: 0,
}  # fmt: skip
"""How many values an instruction takes from the stack, of those that may stand in an expression."""


class _Result:
    """The followed value, or one of the values it was unpacked into."""

    def __init__(self, output: int | None = None) -> None:
        self.output = output


class _Constant:
    def __init__(self, value: Any) -> None:
        self.value = value


@functools.lru_cache(maxsize=65536)
def stores_after(code: types.CodeType, offset: int) -> tuple[Stored, ...] | None:
    """Names under which the result of the call at an offset is stored; None where it is returned."""
    instructions, offsets = _instructions(code)
    # in a frame that waits for a callee the offset may lie in the inline cache behind its CALL
    at = bisect.bisect_right(offsets, offset) - 1
    if at < 0:
        return ()
    caller = instructions[at]
    following = itertools.islice(instructions, at + 1, at + REACH)
    if caller.opname == "UNPACK_SEQUENCE":  # `a, b = x` iterates over a tensor
        return tuple(_follow(following, [_Result(i) for i in reversed(range(caller.arg or 0))]))
    first = next(following, None)
    if caller.opname == "PRECALL" and first is not None and first.opname == "CALL":
        first = next(following, None)  # Python 3.11 makes some calls at once, on the first of the pair
    while first is not None and first.opname in ("NOP", "EXTENDED_ARG"):
        first = next(following, None)
    if first is None:
        return ()
    if first.opname == "RETURN_VALUE":
        return None
    return tuple(_follow(itertools.chain([first], following), [_Result()]))


def _follow(instructions: Iterable[dis.Instruction], stack: list[Any]) -> list[Stored]:
    """Simulate until no part of the result is left on the stack, or an instruction is not understood."""
    found: list[Stored] = []
    for op in instructions:
        for name, argument in _parts(op):
            if not _step(op, name, argument, stack, found):
                return found
        if not any(isinstance(item, _Result) for item in stack):
            break
    return found


def _parts(op: dis.Instruction) -> list[tuple[str, Any]]:
    if op.opname not in PAIRS:
        return [(op.opname, op.argval)]
    names = op.argval if isinstance(op.argval, tuple) else (op.argval,)
    return list(zip(PAIRS[op.opname], names, strict=False))


def _step(op: dis.Instruction, name: str, argument: Any, stack: list[Any], found: list[Stored]) -> bool:
    """Carry out one instruction; False where it is not understood."""
    if name in QUIET:
        return True
    if name in STORES:
        _store(_pop(stack), str(argument), found)
    elif name == "STORE_ATTR":
        target, value = _pop(stack), _pop(stack)
        if isinstance(target, str):
            _store(value, f"{target}.{argument}", found)
    elif name == "STORE_SUBSCR":
        key, target, value = _pop(stack), _pop(stack), _pop(stack)
        if isinstance(target, str) and isinstance(key, _Constant):
            _store(value, f"{target}[{key.value!r}]", found)
    elif name == "UNPACK_SEQUENCE":
        value = _pop(stack)
        whole = isinstance(value, _Result) and value.output is None
        stack += [_Result(i) if whole else None for i in reversed(range(int(argument)))]
    else:
        return _move(op, name, argument, stack)
    return True


def _move(op: dis.Instruction, name: str, argument: Any, stack: list[Any]) -> bool:
    if name in ("COPY", "DUP_TOP"):
        stack.append(_peek(stack, op.arg or 1))
    elif name == "SWAP":
        _peek(stack, op.arg or 2)
        stack[-1], stack[-(op.arg or 2)] = stack[-(op.arg or 2)], stack[-1]
    elif name in ROTATIONS:
        _peek(stack, ROTATIONS[name])
        stack.insert(len(stack) - ROTATIONS[name], stack.pop())
    elif name == "LOAD_CONST":
        stack.append(_Constant(argument))
    elif name.startswith("LOAD_") and name not in POPS:
        pushed = dis.stack_effect(op.opcode, op.arg) if name == op.opname else 1
        stack += [None] * (pushed - 1) + [str(argument)]
    elif name in POPS:
        return _compute(op, name, argument, stack)
    else:
        return False
    return True


def _compute(op: dis.Instruction, name: str, argument: Any, stack: list[Any]) -> bool:
    pops = POPS[name](op.arg or 0)
    used = [_pop(stack) for _ in range(pops)]
    pushed: list[Any] = [None] * (dis.stack_effect(op.opcode, op.arg) + pops)
    if name == "LOAD_ATTR" and len(pushed) == 1 and isinstance(used[0], str):
        pushed = [f"{used[0]}.{argument}"]
    stack += pushed
    return True


def _store(value: Any, name: str, found: list[Stored]) -> None:
    if isinstance(value, _Result):
        found.append((name, value.output))


def _pop(stack: list[Any]) -> Any:
    return stack.pop() if stack else None


def _peek(stack: list[Any], depth: int) -> Any:
    if len(stack) < depth:
        stack[:0] = [None] * (depth - len(stack))
    return stack[-depth]


@functools.lru_cache(maxsize=1024)
def _instructions(code: types.CodeType) -> tuple[tuple[dis.Instruction, ...], tuple[int, ...]]:
    instructions = tuple(dis.get_instructions(code))
    return instructions, tuple(op.offset for op in instructions)
