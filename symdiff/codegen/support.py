"""What every CPython entry calls: numbers out of objects, objects out of numbers.

Compiled once a process. The object layouts assumed here (a float's value at byte 16, a tuple's
items from byte 24) are checked by the runtime before any entry is used.
"""

from typing import Final

SUPPORT: Final = """\
@PyFloat_Type = external global i8
@PyLong_Type = external global i8
declare double @PyFloat_AsDouble(ptr)
declare ptr @PyFloat_FromDouble(double)
declare ptr @PyErr_Occurred()
declare void @PyErr_Clear()
declare i32 @PyType_IsSubtype(ptr, ptr)
declare ptr @PyTuple_New(i64)
declare ptr @PyType_GenericAlloc(ptr, i64)
declare ptr @_PyObject_GC_NewVar(ptr, i64)
declare void @Py_DecRef(ptr)

; args[0..n) as doubles to out; false where one is neither a float nor an int, or is too large.
define i1 @symdiff_read_numbers(ptr %args, i64 %n, ptr %out) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %store ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %yes
body:
  %slot = getelementptr ptr, ptr %args, i64 %i
  %object = load ptr, ptr %slot
  %type.at = getelementptr i8, ptr %object, i64 8
  %type = load ptr, ptr %type.at
  %float = icmp eq ptr %type, @PyFloat_Type
  br i1 %float, label %direct, label %other
direct:
  %value.at = getelementptr i8, ptr %object, i64 16
  %value = load double, ptr %value.at
  br label %store
other:
  %int = icmp eq ptr %type, @PyLong_Type
  br i1 %int, label %convert, label %derived
derived:
  %sub = call i32 @PyType_IsSubtype(ptr %type, ptr @PyFloat_Type)
  %is.sub = icmp ne i32 %sub, 0
  br i1 %is.sub, label %convert, label %no
convert:
  %converted = call double @PyFloat_AsDouble(ptr %object)
  %suspect = fcmp oeq double %converted, -1.0
  br i1 %suspect, label %check, label %store
check:
  %error = call ptr @PyErr_Occurred()
  %failed = icmp ne ptr %error, null
  br i1 %failed, label %clear, label %store
clear:
  call void @PyErr_Clear()
  br label %no
store:
  %number = phi double [ %value, %direct ], [ %converted, %convert ], [ %converted, %check ]
  %place = getelementptr double, ptr %out, i64 %i
  store double %number, ptr %place
  %next = add i64 %i, 1
  br label %head
yes:
  ret i1 true
no:
  ret i1 false
}

; A tuple of n, or one of the named tuple type `type`; null with MemoryError set.
define internal ptr @new_tuple(ptr %type, i64 %n) {
  %plain = icmp eq ptr %type, null
  br i1 %plain, label %tuple, label %named
tuple:
  %t = tail call ptr @PyTuple_New(i64 %n)
  ret ptr %t
named:
  %r = tail call ptr @PyType_GenericAlloc(ptr %type, i64 %n)
  ret ptr %r
}

; A tuple of floats. Numbers refer to nothing, so a named one is left out of garbage collection.
define ptr @symdiff_pack_numbers(ptr %type, ptr %numbers, i64 %n) {
entry:
  %plain = icmp eq ptr %type, null
  br i1 %plain, label %tuple, label %named
tuple:
  %t = call ptr @PyTuple_New(i64 %n)
  br label %made
named:
  %r = call ptr @_PyObject_GC_NewVar(ptr %type, i64 %n)
  br label %made
made:
  %whole = phi ptr [ %t, %tuple ], [ %r, %named ]
  %none = icmp eq ptr %whole, null
  br i1 %none, label %failed, label %start
start:
  %items = getelementptr i8, ptr %whole, i64 24
  br label %head
head:
  %i = phi i64 [ 0, %start ], [ %next, %put ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %done
body:
  %at = getelementptr double, ptr %numbers, i64 %i
  %number = load double, ptr %at
  %object = call ptr @PyFloat_FromDouble(double %number)
  %bad = icmp eq ptr %object, null
  br i1 %bad, label %drop, label %put
put:
  %place = getelementptr ptr, ptr %items, i64 %i
  store ptr %object, ptr %place
  %next = add i64 %i, 1
  br label %head
done:
  ret ptr %whole
drop:
  ; the items from here on hold whatever was in this memory before
  %k = phi i64 [ %i, %body ], [ %k.next, %clear ]
  %rest = icmp slt i64 %k, %n
  br i1 %rest, label %clear, label %give.up
clear:
  %stale = getelementptr ptr, ptr %items, i64 %k
  store ptr null, ptr %stale
  %k.next = add i64 %k, 1
  br label %drop
give.up:
  call void @Py_DecRef(ptr %whole)
  ret ptr null
failed:
  ret ptr null
}

; Takes over the references in `objects`; one of them null drops the others.
define ptr @symdiff_pack_objects(ptr %type, ptr %objects, i64 %n) {
entry:
  %whole = call ptr @new_tuple(ptr %type, i64 %n)
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %tail ]
  %bad = phi i1 [ false, %entry ], [ %bad.next, %tail ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %done
body:
  %at = getelementptr ptr, ptr %objects, i64 %i
  %object = load ptr, ptr %at
  %null = icmp eq ptr %object, null
  %bad.next = or i1 %bad, %null
  %none = icmp eq ptr %whole, null
  br i1 %none, label %release, label %put
release:
  call void @Py_DecRef(ptr %object)
  br label %tail
put:
  %items = getelementptr i8, ptr %whole, i64 24
  %place = getelementptr ptr, ptr %items, i64 %i
  store ptr %object, ptr %place
  br label %tail
tail:
  %next = add i64 %i, 1
  br label %head
done:
  br i1 %bad, label %drop, label %good
drop:
  call void @Py_DecRef(ptr %whole)
  ret ptr null
good:
  ret ptr %whole
}
"""
