"""What a program is: types, values, graphs, functions; print, read, verify, interpret, rewrite."""

from symdiff.ir.digest import digest
from symdiff.ir.exact import evaluate_exactly
from symdiff.ir.fingerprint import encoded_tree, fingerprint
from symdiff.ir.graph import (
    CONST,
    ITEM,
    PARAM,
    Attrs,
    Call,
    Function,
    Graph,
    Literal,
    Location,
    Rule,
    Value,
    Visit,
    live,
    use_counts,
)
from symdiff.ir.interpret import interpret
from symdiff.ir.op import Notation, Op
from symdiff.ir.rewrite import copy_into, copy_params, rewrite
from symdiff.ir.text import function_lines, print_function, read_function, with_nested
from symdiff.ir.tree import (
    Branch,
    Leaf,
    Record,
    Tree,
    branches,
    build,
    destructure,
    flatten,
    has_factories,
    leaves,
    record,
    without_factories,
)
from symdiff.ir.types import (
    BOOL,
    DTYPES,
    F32,
    F64,
    SCALARS,
    DType,
    TupleType,
    Type,
    boolean,
    dtype_named,
    f32,
    f64,
    i32,
    i64,
    parse_type,
)
from symdiff.ir.verify import verify

__all__ = [
    "BOOL", "CONST", "DTYPES", "F32", "F64", "ITEM", "PARAM", "SCALARS", "Attrs", "Branch", "Call",
    "DType", "Function", "Graph", "Leaf", "Literal", "Location", "Notation", "Op", "Record", "Rule",
    "Tree", "TupleType", "Type", "Value", "Visit", "boolean", "branches", "build", "copy_into",
    "copy_params", "destructure", "digest", "dtype_named", "encoded_tree", "evaluate_exactly",
    "f32", "f64", "fingerprint", "flatten", "function_lines", "has_factories", "i32", "i64",
    "interpret", "leaves", "live", "parse_type", "print_function", "read_function", "record",
    "rewrite", "use_counts", "verify", "with_nested", "without_factories",
]  # fmt: skip
