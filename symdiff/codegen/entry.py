"""The CPython entry of kernels of arrays: one function for all of them, and a table for each.

Straight-line code of numbers has an entry of its own (see `symdiff.codegen.module`). What takes
arrays has too much to check for that to pay: the same code, compiled once a process, walks over a
table that says what the kernel takes and returns, and calls `@NAME.batch` for one point.

    @symdiff_entry(ptr self, ptr args, i64 nargs, ptr kwnames)      CPython's vectorcall
    @symdiff_bound(ptr self, ptr args, i64 nargs, ptr kwnames)      the same, of fixed memory

An instance has its fallback at byte 24 and its table at byte 48. The tables are filled in by
`symdiff.runtime.tables`; the fields of NumPy's arrays are read directly (data at 16, number of
axes at 24, extents at 32, dtype at 56, flags at 64), a tenth of what the buffer protocol takes.
The runtime checks these before any entry is used. What does not fit the table exactly goes to the
fallback, which knows every other case.
"""

from __future__ import annotations

from typing import Final

from symdiff.codegen.entry_operands import OUT, READ

# The fields of the structures below, in order; all have 8 bytes.
FIELDS: Final = {
    # What a parameter or an output is. `kind` is 0 for one with axes, else that of its number: 1
    # and 2 for double and float, 3 and 4 for 64 and 32 bits, 5 for a Boolean. `donor` is the number
    # of the parameter, from 1, whose memory an output takes, and not 0 for that parameter.
    "Operand": ("kind", "descr", "nd", "dims", "bytes", "donor"),
    # A node of the result's structure, before its children: where it belongs in which other node,
    # the type of a named tuple or null, and the number of children, -1 for a leaf.
    "Node": ("parent", "position", "type", "size"),
    # `call` is @NAME.batch, which returns a status where `checked`; `spare` is scratch memory, null
    # while a call uses it or if there is none; `pack`, if any, makes the result of a flat tuple;
    # `fail` raises what a status means; `donors` is the number of donated parameters.
    "Table": (
        "inputs", "outputs", "operands", "call", "steps", "checked", "long", "scratch",
        "spare", "nodes", "node_count", "pack", "fail", "donors",
    ),
    # A call with everything given; `busy` while it runs without the GIL.
    "Bound": (
        "call", "pointers", "steps", "count", "scratch", "checked", "long", "busy", "result",
        "fail",
    ),
}  # fmt: skip

EXPORTS: Final = ("symdiff_entry", "symdiff_bound")


def _types() -> str:
    return "\n".join(
        f"%{name} = type {{ {', '.join(['i64'] * len(fields))} }}"
        for name, fields in FIELDS.items()
    )


def _field(text: str) -> str:
    """`text` with `$Table.spare(%t)` written as the address of that field."""
    lines: list[str] = []
    for line in text.splitlines():
        head, mark, rest = line.partition("$")
        if mark:
            path, _, base = rest.partition("(")
            name, _, field = path.partition(".")
            place = FIELDS[name].index(field)
            base = base.removesuffix(")")
            line = f"{head}getelementptr %{name}, ptr {base}, i64 0, i32 {place}"
        lines.append(line)
    return "\n".join(lines) + "\n"


_RESULT: Final = """\
; The number in a cell as a Python object; null with MemoryError set.
define internal ptr @number(i64 %kind, ptr %cell) {
entry:
  switch i64 %kind, label %boolean [ i64 1, label %double i64 2, label %float i64 3, label %long
                                     i64 4, label %int ]
double:
  %d = load double, ptr %cell
  %d.object = call ptr @PyFloat_FromDouble(double %d)
  ret ptr %d.object
float:
  %f = load float, ptr %cell
  %f.wide = fpext float %f to double
  %f.object = call ptr @PyFloat_FromDouble(double %f.wide)
  ret ptr %f.object
long:
  %l = load i64, ptr %cell
  %l.object = call ptr @PyLong_FromLongLong(i64 %l)
  ret ptr %l.object
int:
  %i = load i32, ptr %cell
  %i.wide = sext i32 %i to i64
  %i.object = call ptr @PyLong_FromLongLong(i64 %i.wide)
  ret ptr %i.object
boolean:
  %b = load i8, ptr %cell
  %b.true = icmp ne i8 %b, 0
  %b.object = select i1 %b.true, ptr @_Py_TrueStruct, ptr @_Py_FalseStruct
  call void @Py_IncRef(ptr %b.object)
  ret ptr %b.object
}

; The result object; takes over the references in `results`. Null with an exception set.
define internal ptr @build(ptr %table, ptr %cells, ptr %results, ptr %objects) {
entry:
  %inputs.at = $Table.inputs(%table)
  %inputs = load i64, ptr %inputs.at
  %outputs.at = $Table.outputs(%table)
  %outputs = load i64, ptr %outputs.at
  %operands.at = $Table.operands(%table)
  %operands = load ptr, ptr %operands.at
  %nodes.at = $Table.nodes(%table)
  %nodes = load ptr, ptr %nodes.at
  %count.at = $Table.node_count(%table)
  %count = load i64, ptr %count.at
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %k.next, %tail ]
  %leaf = phi i64 [ 0, %entry ], [ %leaf.next, %tail ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %node, label %whole
node:
  %node.at = getelementptr %Node, ptr %nodes, i64 %k
  %size.at = $Node.size(%node.at)
  %size = load i64, ptr %size.at
  %is.leaf = icmp slt i64 %size, 0
  br i1 %is.leaf, label %element, label %branch
branch:
  %type.at = $Node.type(%node.at)
  %type = load ptr, ptr %type.at
  %plain = icmp eq ptr %type, null
  br i1 %plain, label %tuple, label %named
tuple:
  %t = call ptr @PyTuple_New(i64 %size)
  br label %made
named:
  %r = call ptr @PyType_GenericAlloc(ptr %type, i64 %size)
  br label %made
element:
  %result.at = getelementptr ptr, ptr %results, i64 %leaf
  %array = load ptr, ptr %result.at
  %is.array = icmp ne ptr %array, null
  br i1 %is.array, label %made, label %number
number:
  %position = add i64 %inputs, %leaf
  %operand = getelementptr %Operand, ptr %operands, i64 %position
  %kind = load i64, ptr %operand
  %cell = getelementptr i64, ptr %cells, i64 %position
  %n = call ptr @number(i64 %kind, ptr %cell)
  br label %made
made:
  %object = phi ptr [ %t, %tuple ], [ %r, %named ], [ %array, %element ], [ %n, %number ]
  %step = phi i64 [ 0, %tuple ], [ 0, %named ], [ 1, %element ], [ 1, %number ]
  %none = icmp eq ptr %object, null
  br i1 %none, label %drop, label %place
place:
  %leaf.next = add i64 %leaf, %step
  %object.at = getelementptr ptr, ptr %objects, i64 %k
  store ptr %object, ptr %object.at
  %root = icmp eq i64 %k, 0
  br i1 %root, label %tail, label %below
below:
  %parent = load i64, ptr %node.at
  %where.at = $Node.position(%node.at)
  %where = load i64, ptr %where.at
  %above.at = getelementptr ptr, ptr %objects, i64 %parent
  %above = load ptr, ptr %above.at
  %items = getelementptr i8, ptr %above, i64 24
  %item.at = getelementptr ptr, ptr %items, i64 %where
  store ptr %object, ptr %item.at
  br label %tail
tail:
  %k.next = add i64 %k, 1
  br label %head
whole:
  %top = load ptr, ptr %objects
  %pack.at = $Table.pack(%table)
  %pack = load ptr, ptr %pack.at
  %done = icmp eq ptr %pack, null
  br i1 %done, label %return, label %convert
return:
  ret ptr %top
convert:
  %packed = call ptr @PyObject_Vectorcall(ptr %pack, ptr %objects, i64 1, ptr null)
  call void @Py_DecRef(ptr %top)
  ret ptr %packed
drop:
  ; what is already in a tuple goes with it; the rest of the arrays one by one
  call void @drop_all(ptr %results, i64 %leaf, i64 %outputs)
  %some = icmp ne i64 %k, 0
  br i1 %some, label %drop.top, label %failed
drop.top:
  %part = load ptr, ptr %objects
  call void @Py_DecRef(ptr %part)
  br label %failed
failed:
  ret ptr null
}

; Runs a batch; without the GIL if that is to be. The status.
define internal i64 @run(ptr %call, ptr %pointers, ptr %steps, i64 %count, ptr %ws, i64 %long,
                         i64 %checked) {
entry:
  %release = icmp ne i64 %long, 0
  br i1 %release, label %leave, label %direct
leave:
  %thread = call ptr @PyEval_SaveThread()
  %late = call i64 %call(ptr %pointers, ptr %steps, i64 %count, ptr %ws)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %done
direct:
  %soon = call i64 %call(ptr %pointers, ptr %steps, i64 %count, ptr %ws)
  br label %done
done:
  %returned = phi i64 [ %late, %leave ], [ %soon, %direct ]
  %means = icmp ne i64 %checked, 0
  %status = select i1 %means, i64 %returned, i64 0
  ret i64 %status
}

; Raises what a status means: null, with the exception set.
define internal ptr @raise(ptr %fail, i64 %status) {
entry:
  %slot = alloca ptr
  %number = call ptr @PyLong_FromLongLong(i64 %status)
  store ptr %number, ptr %slot
  %none = icmp eq ptr %number, null
  br i1 %none, label %done, label %call
call:
  %nothing = call ptr @PyObject_Vectorcall(ptr %fail, ptr %slot, i64 1, ptr null)
  call void @Py_DecRef(ptr %number)
  call void @Py_DecRef(ptr %nothing)
  br label %done
done:
  ret ptr null
}
"""

STACK: Final = 16384  # bytes of scratch memory that a call takes from the stack

_ENTRY: Final = f"""\
define ptr @symdiff_entry(ptr %self, ptr %args, i64 %nargs, ptr %kwnames) {{
entry:
  %table.at = getelementptr i8, ptr %self, i64 48
  %table = load ptr, ptr %table.at
  %inputs.at = $Table.inputs(%table)
  %inputs = load i64, ptr %inputs.at
  %given = and i64 %nargs, 9223372036854775807
  %right = icmp eq i64 %given, %inputs
  br i1 %right, label %names, label %slow
names:
  %bare = icmp eq ptr %kwnames, null
  br i1 %bare, label %take, label %keywords
keywords:
  %named.at = getelementptr i8, ptr %kwnames, i64 16
  %named = load i64, ptr %named.at
  %name.at = getelementptr i8, ptr %kwnames, i64 24
  %name = load ptr, ptr %name.at
  %is.out = icmp eq ptr %name, @symdiff_out
  %single = icmp eq i64 %named, 1
  %only.out = and i1 %is.out, %single
  br i1 %only.out, label %with.out, label %slow
with.out:
  %last = getelementptr ptr, ptr %args, i64 %inputs
  %last.object = load ptr, ptr %last
  %is.none = icmp eq ptr %last.object, @_Py_NoneStruct
  %into = select i1 %is.none, ptr null, ptr %last.object
  br label %take
take:
  %out = phi ptr [ null, %names ], [ %into, %with.out ]
  %outputs.at = $Table.outputs(%table)
  %outputs = load i64, ptr %outputs.at
  %count.at = $Table.node_count(%table)
  %node.count = load i64, ptr %count.at
  %all = add i64 %inputs, %outputs
  %pointers = alloca ptr, i64 %all
  %cells = alloca i64, i64 %all
  %results = alloca ptr, i64 %outputs
  %objects = alloca ptr, i64 %node.count
  %good = call i1 @read_inputs(ptr %table, ptr %args, ptr %pointers, ptr %cells)
  br i1 %good, label %targets, label %slow
targets:
  %fresh = icmp eq ptr %out, null
  %donors.at = $Table.donors(%table)
  %donors = load i64, ptr %donors.at
  %donated = icmp ne i64 %donors, 0
  br i1 %donated, label %donate, label %own
donate:
  %disjoint = call i1 @are_apart(ptr %table, ptr %pointers)
  %taken.fine = and i1 %disjoint, %fresh
  br i1 %taken.fine, label %new, label %slow
own:
  br i1 %fresh, label %new, label %given.out
given.out:
  %suits = call i1 @read_out(ptr %table, ptr %out, ptr %pointers, ptr %objects)
  br i1 %suits, label %keep, label %slow
new:
  %made = call i1 @new_outputs(ptr %table, ptr %args, ptr %pointers, ptr %cells,
                               ptr %results)
  br i1 %made, label %keep, label %failed
keep:
  %scratch.at = $Table.scratch(%table)
  %scratch = load i64, ptr %scratch.at
  %small = icmp sle i64 %scratch, {STACK}
  %spare.at = $Table.spare(%table)
  br i1 %small, label %stack, label %heap
stack:
  %local = alloca i8, i64 %scratch, align 64
  br label %ready
heap:
  %spare = load ptr, ptr %spare.at
  %taken = icmp ne ptr %spare, null
  br i1 %taken, label %take.spare, label %allocate
take.spare:
  store ptr null, ptr %spare.at
  br label %ready
allocate:
  %more.bytes = add i64 %scratch, 64
  %block = call ptr @malloc(i64 %more.bytes)
  %missing = icmp eq ptr %block, null
  br i1 %missing, label %poor, label %align
align:
  %address = ptrtoint ptr %block to i64
  %beyond = add i64 %address, 63
  %rounded = and i64 %beyond, -64
  %aligned = inttoptr i64 %rounded to ptr
  br label %ready
ready:
  %ws = phi ptr [ %local, %stack ], [ %spare, %take.spare ], [ %aligned, %align ]
  %owned = phi ptr [ null, %stack ], [ null, %take.spare ], [ %block, %align ]
  %back = phi i1 [ false, %stack ], [ true, %take.spare ], [ false, %align ]
  %call.at = $Table.call(%table)
  %call = load ptr, ptr %call.at
  %steps.at = $Table.steps(%table)
  %steps = load ptr, ptr %steps.at
  %long.at = $Table.long(%table)
  %long = load i64, ptr %long.at
  %checked.at = $Table.checked(%table)
  %checked = load i64, ptr %checked.at
  %status = call i64 @run(ptr %call, ptr %pointers, ptr %steps, i64 1, ptr %ws, i64 %long,
                          i64 %checked)
  br i1 %back, label %return.spare, label %release
return.spare:
  store ptr %ws, ptr %spare.at
  br label %ran
release:
  %heaped = icmp ne ptr %owned, null
  br i1 %heaped, label %free, label %ran
free:
  call void @free(ptr %owned)
  br label %ran
ran:
  %bad = icmp ne i64 %status, 0
  br i1 %bad, label %refuse, label %finish
refuse:
  br i1 %fresh, label %refuse.new, label %refuse.out
refuse.new:
  call void @drop_all(ptr %results, i64 0, i64 %outputs)
  br label %refuse.out
refuse.out:
  %fail.at = $Table.fail(%table)
  %fail = load ptr, ptr %fail.at
  %nothing = call ptr @raise(ptr %fail, i64 %status)
  br label %leave
finish:
  br i1 %fresh, label %build, label %return.out
build:
  %built = call ptr @build(ptr %table, ptr %cells, ptr %results, ptr %objects)
  br label %leave
return.out:
  call void @Py_IncRef(ptr %out)
  br label %leave
poor:
  br i1 %fresh, label %poor.new, label %poor.out
poor.new:
  call void @drop_all(ptr %results, i64 0, i64 %outputs)
  br label %poor.out
poor.out:
  %raised = call ptr @PyErr_NoMemory()
  br label %leave
leave:
  %result = phi ptr [ null, %refuse.out ], [ %built, %build ], [ %out, %return.out ],
                    [ null, %poor.out ]
  ret ptr %result
failed:
  ret ptr null
slow:
  %fallback.at = getelementptr i8, ptr %self, i64 24
  %fallback = load ptr, ptr %fallback.at
  %other = call ptr @PyObject_Vectorcall(ptr %fallback, ptr %args, i64 %nargs, ptr %kwnames)
  ret ptr %other
}}

define ptr @symdiff_bound(ptr %self, ptr %args, i64 %nargs, ptr %kwnames) {{
entry:
  %table.at = getelementptr i8, ptr %self, i64 48
  %table = load ptr, ptr %table.at
  %given = and i64 %nargs, 9223372036854775807
  %none = icmp eq i64 %given, 0
  %bare = icmp eq ptr %kwnames, null
  %plain = and i1 %none, %bare
  %busy.at = $Bound.busy(%table)
  %busy = load i64, ptr %busy.at
  %idle = icmp eq i64 %busy, 0
  %go = and i1 %plain, %idle
  br i1 %go, label %start, label %slow
start:
  %call = load ptr, ptr %table
  %pointers.at = $Bound.pointers(%table)
  %pointers = load ptr, ptr %pointers.at
  %steps.at = $Bound.steps(%table)
  %steps = load ptr, ptr %steps.at
  %count.at = $Bound.count(%table)
  %count = load i64, ptr %count.at
  %scratch.at = $Bound.scratch(%table)
  %scratch = load ptr, ptr %scratch.at
  %checked.at = $Bound.checked(%table)
  %checked = load i64, ptr %checked.at
  %long.at = $Bound.long(%table)
  %long = load i64, ptr %long.at
  store i64 1, ptr %busy.at
  %status = call i64 @run(ptr %call, ptr %pointers, ptr %steps, i64 %count, ptr %scratch,
                          i64 %long, i64 %checked)
  store i64 0, ptr %busy.at
  %bad = icmp ne i64 %status, 0
  br i1 %bad, label %refuse, label %done
refuse:
  %fail.at = $Bound.fail(%table)
  %fail = load ptr, ptr %fail.at
  %nothing = call ptr @raise(ptr %fail, i64 %status)
  ret ptr null
done:
  %result.at = $Bound.result(%table)
  %result = load ptr, ptr %result.at
  call void @Py_IncRef(ptr %result)
  ret ptr %result
slow:
  %fallback.at = getelementptr i8, ptr %self, i64 24
  %fallback = load ptr, ptr %fallback.at
  %other = call ptr @PyObject_Vectorcall(ptr %fallback, ptr %args, i64 %nargs, ptr %kwnames)
  ret ptr %other
}}
"""

ENTRY: Final = "\n".join([_types(), _field(READ + OUT + _RESULT + _ENTRY)])
