"""LLVM text of the operands of a call with arrays: arguments, arrays of out=, and new ones.

Part of the text of `symdiff.codegen.entry`, which has the structures that it works by.
"""

from __future__ import annotations

from typing import Final

READ: Final = """\
@symdiff_ndarray = external global i8
@symdiff_out = external global i8
@PyFloat_Type = external global i8
@PyLong_Type = external global i8
@PyTuple_Type = external global i8
@_Py_TrueStruct = external global i8
@_Py_FalseStruct = external global i8
@_Py_NoneStruct = external global i8
declare i1 @symdiff_read_numbers(ptr, i64, ptr)
declare ptr @symdiff_new_array(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyFloat_FromDouble(double)
declare ptr @PyLong_FromLongLong(i64)
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyErr_Occurred()
declare ptr @PyErr_NoMemory()
declare void @PyErr_Clear()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyTuple_New(i64)
declare ptr @PyType_GenericAlloc(ptr, i64)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @malloc(i64)
declare void @free(ptr)

; The data of an array of exactly this dtype and shape whose flags under `mask` are `want`, or null.
define internal ptr @fits(ptr %object, ptr %operand, i32 %mask, i32 %want) {
entry:
  %type.at = getelementptr i8, ptr %object, i64 8
  %type = load ptr, ptr %type.at
  %is.array = icmp eq ptr %type, @symdiff_ndarray
  br i1 %is.array, label %array, label %no
array:
  %descr.at = getelementptr i8, ptr %object, i64 56
  %descr = load ptr, ptr %descr.at
  %wanted.at = $Operand.descr(%operand)
  %wanted = load ptr, ptr %wanted.at
  %same = icmp eq ptr %descr, %wanted
  %flags.at = getelementptr i8, ptr %object, i64 64
  %flags = load i32, ptr %flags.at
  %masked = and i32 %flags, %mask
  %ready = icmp eq i32 %masked, %want
  %rank.at = getelementptr i8, ptr %object, i64 24
  %rank = load i32, ptr %rank.at
  %nd.at = $Operand.nd(%operand)
  %nd = load i64, ptr %nd.at
  %rank.wide = sext i32 %rank to i64
  %level = icmp eq i64 %rank.wide, %nd
  %both = and i1 %same, %ready
  %all = and i1 %both, %level
  br i1 %all, label %shape, label %no
shape:
  %extents.at = getelementptr i8, ptr %object, i64 32
  %extents = load ptr, ptr %extents.at
  %dims.at = $Operand.dims(%operand)
  %dims = load ptr, ptr %dims.at
  br label %head
head:
  %i = phi i64 [ 0, %shape ], [ %next, %body ]
  %more = icmp slt i64 %i, %nd
  br i1 %more, label %body, label %yes
body:
  %extent.at = getelementptr i64, ptr %extents, i64 %i
  %extent = load i64, ptr %extent.at
  %dim.at = getelementptr i64, ptr %dims, i64 %i
  %dim = load i64, ptr %dim.at
  %alike = icmp eq i64 %extent, %dim
  %next = add i64 %i, 1
  br i1 %alike, label %head, label %no
yes:
  %data.at = getelementptr i8, ptr %object, i64 16
  %data = load ptr, ptr %data.at
  ret ptr %data
no:
  ret ptr null
}

; The data of an array that can be read, and written too if it is donated, or null.
define internal ptr @readable(ptr %object, ptr %operand) {
entry:
  %donor.at = $Operand.donor(%operand)
  %donor = load i64, ptr %donor.at
  %kept = icmp eq i64 %donor, 0
  ; contiguous and aligned; writeable, and none whose writing NumPy warns of
  %mask = select i1 %kept, i32 257, i32 -2147482367
  %want = select i1 %kept, i32 257, i32 1281
  %data = call ptr @fits(ptr %object, ptr %operand, i32 %mask, i32 %want)
  ret ptr %data
}

; Where a number is to be read from, which is `cell` for Python's own; null for what does not fit.
define internal ptr @read_number(ptr %slot, ptr %operand, i64 %kind, ptr %cell) {
entry:
  %object = load ptr, ptr %slot
  %type.at = getelementptr i8, ptr %object, i64 8
  %type = load ptr, ptr %type.at
  %is.array = icmp eq ptr %type, @symdiff_ndarray
  br i1 %is.array, label %array, label %other
array:
  %data = call ptr @readable(ptr %object, ptr %operand)
  ret ptr %data
other:
  %donor.at = $Operand.donor(%operand)
  %donor = load i64, ptr %donor.at
  %kept = icmp eq i64 %donor, 0
  br i1 %kept, label %number, label %no
number:
  switch i64 %kind, label %boolean [ i64 1, label %real i64 2, label %real i64 3, label %int
                                     i64 4, label %int ]
real:
  %ok = call i1 @symdiff_read_numbers(ptr %slot, i64 1, ptr %cell)
  br i1 %ok, label %got, label %no
got:
  %narrow = icmp eq i64 %kind, 2
  br i1 %narrow, label %single, label %yes
single:
  %wide = load double, ptr %cell
  %float = fptrunc double %wide to float
  store float %float, ptr %cell
  ret ptr %cell
int:
  %is.int = icmp eq ptr %type, @PyLong_Type
  br i1 %is.int, label %convert, label %no
convert:
  %whole = call i64 @PyLong_AsLongLong(ptr %object)
  store i64 %whole, ptr %cell
  %suspect = icmp eq i64 %whole, -1
  br i1 %suspect, label %check, label %range
check:
  %error = call ptr @PyErr_Occurred()
  %failed = icmp ne ptr %error, null
  br i1 %failed, label %clear, label %range
clear:
  call void @PyErr_Clear()
  ret ptr null
range:
  %half = trunc i64 %whole to i32
  %back = sext i32 %half to i64
  %exact = icmp eq i64 %back, %whole
  %long = icmp eq i64 %kind, 3
  %fine = or i1 %exact, %long
  br i1 %fine, label %yes, label %no
boolean:
  %true = icmp eq ptr %object, @_Py_TrueStruct
  %false = icmp eq ptr %object, @_Py_FalseStruct
  %bit = zext i1 %true to i8
  store i8 %bit, ptr %cell
  %either = or i1 %true, %false
  br i1 %either, label %yes, label %no
yes:
  ret ptr %cell
no:
  ret ptr null
}

; Pointers to the arguments; false where one does not fit.
define internal i1 @read_inputs(ptr %table, ptr %args, ptr %pointers, ptr %cells) {
entry:
  %count.at = $Table.inputs(%table)
  %count = load i64, ptr %count.at
  %operands.at = $Table.operands(%table)
  %operands = load ptr, ptr %operands.at
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %store ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %body, label %yes
body:
  %slot = getelementptr ptr, ptr %args, i64 %i
  %operand = getelementptr %Operand, ptr %operands, i64 %i
  %kind = load i64, ptr %operand
  %is.number = icmp ne i64 %kind, 0
  br i1 %is.number, label %number, label %array
array:
  %object = load ptr, ptr %slot
  %data = call ptr @readable(ptr %object, ptr %operand)
  br label %store.if
number:
  %cell = getelementptr i64, ptr %cells, i64 %i
  %read = call ptr @read_number(ptr %slot, ptr %operand, i64 %kind, ptr %cell)
  br label %store.if
store.if:
  %pointer = phi ptr [ %data, %array ], [ %read, %number ]
  %none = icmp eq ptr %pointer, null
  br i1 %none, label %no, label %store
store:
  %place = getelementptr ptr, ptr %pointers, i64 %i
  store ptr %pointer, ptr %place
  %next = add i64 %i, 1
  br label %head
yes:
  ret i1 true
no:
  ret i1 false
}
"""

# Does the memory of operand %j overlap the one from %data to %end? As a function of its own it
# would cost 20 ns of a call of 300 ns with five results, since entries are not optimised.
_RANGE: Final = """\
range:
  %first.at = getelementptr ptr, ptr %pointers, i64 %j
  %first = load ptr, ptr %first.at
  %described = getelementptr %Operand, ptr %operands, i64 %j
  %reach.at = $Operand.bytes(%described)
  %reach = load i64, ptr %reach.at
  %last = getelementptr i8, ptr %first, i64 %reach
  %left = icmp ult ptr %first, %end
  %right = icmp ult ptr %data, %last
  %overlap = and i1 %left, %right
"""

OUT: Final = (
    """\
; Pointers to the arrays of out=; false where one does not fit, or may overlap another operand.
define internal i1 @read_out(ptr %table, ptr %out, ptr %pointers, ptr %objects) {
entry:
  %inputs.at = $Table.inputs(%table)
  %inputs = load i64, ptr %inputs.at
  %operands.at = $Table.operands(%table)
  %operands = load ptr, ptr %operands.at
  %pack.at = $Table.pack(%table)
  %pack = load ptr, ptr %pack.at
  %nodes.at = $Table.nodes(%table)
  %nodes = load ptr, ptr %nodes.at
  %count.at = $Table.node_count(%table)
  %count = load i64, ptr %count.at
  %direct = icmp eq ptr %pack, null
  br i1 %direct, label %head, label %no
head:
  %k = phi i64 [ 0, %entry ], [ %k.next, %tail ]
  %leaf = phi i64 [ %inputs, %entry ], [ %leaf.next, %tail ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %node, label %yes
node:
  %node.at = getelementptr %Node, ptr %nodes, i64 %k
  %size.at = $Node.size(%node.at)
  %size = load i64, ptr %size.at
  %root = icmp eq i64 %k, 0
  br i1 %root, label %have, label %below
below:
  %parent = load i64, ptr %node.at
  %position.at = $Node.position(%node.at)
  %position = load i64, ptr %position.at
  %whole.at = getelementptr ptr, ptr %objects, i64 %parent
  %whole = load ptr, ptr %whole.at
  %items = getelementptr i8, ptr %whole, i64 24
  %item.at = getelementptr ptr, ptr %items, i64 %position
  %item = load ptr, ptr %item.at
  br label %have
have:
  %object = phi ptr [ %out, %node ], [ %item, %below ]
  %object.at = getelementptr ptr, ptr %objects, i64 %k
  store ptr %object, ptr %object.at
  %is.leaf = icmp slt i64 %size, 0
  br i1 %is.leaf, label %array, label %branch
branch:
  %type.at = getelementptr i8, ptr %object, i64 8
  %type = load ptr, ptr %type.at
  %wanted.at = $Node.type(%node.at)
  %wanted = load ptr, ptr %wanted.at
  %plain = icmp eq ptr %type, @PyTuple_Type
  %named = icmp eq ptr %type, %wanted
  %known = or i1 %plain, %named
  br i1 %known, label %tuple, label %no
tuple:
  %length.at = getelementptr i8, ptr %object, i64 16
  %length = load i64, ptr %length.at
  %long = icmp eq i64 %length, %size
  br i1 %long, label %tail, label %no
array:
  ; contiguous, aligned, writeable, and none whose writing NumPy warns of
  %operand = getelementptr %Operand, ptr %operands, i64 %leaf
  %data = call ptr @fits(ptr %object, ptr %operand, i32 -2147482367, i32 1281)
  %none = icmp eq ptr %data, null
  br i1 %none, label %no, label %apart
apart:
  %place = getelementptr ptr, ptr %pointers, i64 %leaf
  store ptr %data, ptr %place
  %bytes.at = $Operand.bytes(%operand)
  %bytes = load i64, ptr %bytes.at
  %end = getelementptr i8, ptr %data, i64 %bytes
  br label %other
other:
  %j = phi i64 [ 0, %apart ], [ %j.next, %range ]
  %before = icmp slt i64 %j, %leaf
  br i1 %before, label %range, label %tail
"""
    + _RANGE
    + """\
  %j.next = add i64 %j, 1
  br i1 %overlap, label %no, label %other
tail:
  %step = phi i64 [ 0, %tuple ], [ 1, %other ]
  %leaf.next = add i64 %leaf, %step
  %k.next = add i64 %k, 1
  br label %head
yes:
  ret i1 true
no:
  ret i1 false
}

; Whether no donated argument overlaps another one.
define internal i1 @are_apart(ptr %table, ptr %pointers) {
entry:
  %inputs.at = $Table.inputs(%table)
  %inputs = load i64, ptr %inputs.at
  %operands.at = $Table.operands(%table)
  %operands = load ptr, ptr %operands.at
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %tail ]
  %more = icmp slt i64 %i, %inputs
  br i1 %more, label %body, label %yes
body:
  %operand = getelementptr %Operand, ptr %operands, i64 %i
  %donor.at = $Operand.donor(%operand)
  %donor = load i64, ptr %donor.at
  %kept = icmp eq i64 %donor, 0
  br i1 %kept, label %tail, label %donated
donated:
  %place = getelementptr ptr, ptr %pointers, i64 %i
  %data = load ptr, ptr %place
  %bytes.at = $Operand.bytes(%operand)
  %bytes = load i64, ptr %bytes.at
  %end = getelementptr i8, ptr %data, i64 %bytes
  br label %other
other:
  %j = phi i64 [ 0, %donated ], [ %j.next, %next ]
  %left.over = icmp slt i64 %j, %inputs
  br i1 %left.over, label %range, label %tail
"""
    + _RANGE
    + """\
  %itself = icmp eq i64 %i, %j
  %apart = xor i1 %overlap, true
  %fine = or i1 %itself, %apart
  br i1 %fine, label %next, label %no
next:
  %j.next = add i64 %j, 1
  br label %other
tail:
  %i.next = add i64 %i, 1
  br label %head
yes:
  ret i1 true
no:
  ret i1 false
}

; The arrays whose memory outputs take, new ones for others with axes, and cells for the rest; false
; with MemoryError set.
define internal i1 @new_outputs(ptr %table, ptr %args, ptr %pointers, ptr %cells,
                                ptr %results) {
entry:
  %inputs.at = $Table.inputs(%table)
  %inputs = load i64, ptr %inputs.at
  %outputs.at = $Table.outputs(%table)
  %outputs = load i64, ptr %outputs.at
  %operands.at = $Table.operands(%table)
  %operands = load ptr, ptr %operands.at
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %store ]
  %more = icmp slt i64 %i, %outputs
  br i1 %more, label %body, label %yes
body:
  %position = add i64 %inputs, %i
  %operand = getelementptr %Operand, ptr %operands, i64 %position
  %kind = load i64, ptr %operand
  %cell = getelementptr i64, ptr %cells, i64 %position
  %donor.at = $Operand.donor(%operand)
  %donor = load i64, ptr %donor.at
  %fresh = icmp eq i64 %donor, 0
  br i1 %fresh, label %own, label %taken
taken:
  %before = sub i64 %donor, 1
  %given.at = getelementptr ptr, ptr %args, i64 %before
  %given = load ptr, ptr %given.at
  call void @Py_IncRef(ptr %given)
  %taken.at = getelementptr ptr, ptr %pointers, i64 %before
  %there = load ptr, ptr %taken.at
  br label %store
own:
  %is.number = icmp ne i64 %kind, 0
  br i1 %is.number, label %store, label %array
array:
  %descr.at = $Operand.descr(%operand)
  %descr = load ptr, ptr %descr.at
  %nd.at = $Operand.nd(%operand)
  %nd = load i64, ptr %nd.at
  %rank = trunc i64 %nd to i32
  %dims.at = $Operand.dims(%operand)
  %dims = load ptr, ptr %dims.at
  call void @Py_IncRef(ptr %descr)
  %made = call ptr @symdiff_new_array(ptr @symdiff_ndarray, ptr %descr, i32 %rank, ptr %dims,
                                      ptr null, ptr null, i32 0, ptr null)
  %none = icmp eq ptr %made, null
  br i1 %none, label %drop, label %read
read:
  %data.at = getelementptr i8, ptr %made, i64 16
  %data = load ptr, ptr %data.at
  br label %store
store:
  %pointer = phi ptr [ %cell, %own ], [ %data, %read ], [ %there, %taken ]
  %result = phi ptr [ null, %own ], [ %made, %read ], [ %given, %taken ]
  %place = getelementptr ptr, ptr %pointers, i64 %position
  store ptr %pointer, ptr %place
  %result.at = getelementptr ptr, ptr %results, i64 %i
  store ptr %result, ptr %result.at
  %next = add i64 %i, 1
  br label %head
drop:
  call void @drop_all(ptr %results, i64 0, i64 %i)
  ret i1 false
yes:
  ret i1 true
}

; Give up the references from `first` on, as far as there are any.
define internal void @drop_all(ptr %objects, i64 %first, i64 %end) {
entry:
  br label %head
head:
  %i = phi i64 [ %first, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %at = getelementptr ptr, ptr %objects, i64 %i
  %object = load ptr, ptr %at
  call void @Py_DecRef(ptr %object)
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}
"""
)
