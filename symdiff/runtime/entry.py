"""What the disk cache keeps of one module of machine code, as bytes."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, fields
from itertools import accumulate, pairwise
from typing import Any, Final, cast

import numpy as np

from symdiff.ir import Branch, Leaf, Record, Tree, record
from symdiff.runtime.elf import Linked
from symdiff.runtime.program import Operand, Signature

_HEAD: Final = struct.Struct("<Q")  # the length of the facts, which stand before the code


class Unreadable(Exception):  # noqa: N818
    """These bytes are no entry, or one that a newer or an older symdiff wrote."""


@dataclass(frozen=True, slots=True)
class Module:
    """Machine code, not yet in this process.

    Attributes:
        wrappers: what is around the body: "c", "batch", "many", "team", "call".
        code_size: bytes of machine code.
        needs: the functions of SciPy that it calls, by the names that codegen gives them.
        workspace: 8-byte words of scratch memory for many points; 0 without "many".
        linked: the code as one block, where this machine can load that.
        files: the code as object files, where it cannot.
    """

    wrappers: tuple[str, ...]
    code_size: int
    needs: tuple[str, ...]
    workspace: int
    linked: Linked | None = None
    files: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A module and, with the first one of a program, what it takes to call it."""

    module: Module
    signature: Signature | None = None

    def to_bytes(self) -> bytes:
        """The entry, for `read_entry`.

        Raises:
            TypeError: the signature has something that only this process knows.
        """
        module, linked, signature = self.module, self.module.linked, self.signature
        facts: dict[str, Any] = {
            "signature": signature and [_packed(getattr(signature, n)) for n in _FIELDS],
            "wrappers": module.wrappers,
            "code_size": module.code_size,
            "needs": module.needs,
            "workspace": module.workspace,
            "linked": None if linked is None else [linked.exports, linked.imports],
            "files": [len(file) for file in module.files],
        }
        head = json.dumps(facts, separators=(",", ":")).encode()
        code = module.files if linked is None else [linked.memory]
        return b"".join([_HEAD.pack(len(head)), head, *code])


_FIELDS: Final = tuple(f.name for f in fields(Signature))


def read_entry(data: bytes) -> Entry:
    """The entry that `to_bytes` wrote.

    Raises:
        Unreadable: it did not.
    """
    try:
        (length,) = _HEAD.unpack_from(data)
        facts = json.loads(data[_HEAD.size : _HEAD.size + length])
        code = data[_HEAD.size + length :]
        linked = facts["linked"]
        ends = list(accumulate(facts["files"], initial=0))
        module = Module(
            tuple(facts["wrappers"]),
            facts["code_size"],
            tuple(facts["needs"]),
            facts["workspace"],
            None if linked is None else Linked(code, *linked),
            tuple([code[start:end] for start, end in pairwise(ends)]),
        )
        signature = facts["signature"]
        return Entry(module, signature and Signature(*map(_unpacked, signature)))
    except (struct.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise Unreadable(str(error)) from None


def _packed(value: Any) -> Any:
    """A field of a signature as JSON has it: lists that begin with what they are."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Leaf):
        return ["leaf", value.name]
    if isinstance(value, Branch):
        none = value.factory is type(None)
        children = [_packed(child) for child in value.children]
        return ["branch", value.kind, value.label, value.fields, none, *children]
    if isinstance(value, Operand):
        return ["operand", value.name, value.dtype.name, *value.shape]
    if isinstance(value, tuple):
        return ["tuple", *map(_packed, cast("tuple[Any, ...]", value))]
    if isinstance(value, type) and issubclass(value, Record):
        return ["record", value.__name__, *cast("Any", value)._fields]
    raise TypeError(f"a signature with {value!r}")


def _unpacked(value: Any) -> Any:
    """The inverse of `_packed`; records stand for the user's own types."""
    if not isinstance(value, list):
        return value
    kind, *parts = cast("list[Any]", value)
    if kind == "leaf":
        return Leaf(*parts)
    if kind == "operand":
        name, dtype, *shape = parts
        return Operand(name, np.dtype(dtype), tuple(shape))
    if kind == "record":
        label, *names = parts
        return record(label, tuple(names))
    if kind == "tuple":
        return tuple(map(_unpacked, parts))
    return _branch(*parts)


def _branch(kind: str, label: str, names: list[str] | None, none: bool, *children: Any) -> Branch:
    below: tuple[Tree, ...] = tuple(map(_unpacked, children))
    own = type(None) if none else None
    return Branch(below, None if names is None else tuple(names), label, kind, own)
