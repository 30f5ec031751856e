"""LLVM text by which threads share work: one who leads, and others who help while they can.

Work is a sequence of phases, each of a fixed number of parts. The leader opens a phase, and
whoever is there takes the next part that nobody has taken, until there is none; the leader goes on
when the last one is done. Helpers may come at any time, or never.

    @symdiff_share(shared, k, parts, function)  the leader: phase k, `function(context, part, me)`
    @symdiff_help(shared)                       a helper: until the leader says that all is done
    @symdiff_batch(shared)                      a leader: the points of a batch, in one phase

`shared` is zero at first, 64 bytes and as many again for every phase, each phase used once. Words
of the first line: how far the leader is (a phase counted from 1, or -1), the number of helpers
that came, the context. Words of a phase: parts taken, parts done, parts in all, the function.

The context of a batch: the function @NAME.batch and whether it returns a status, the address and
the number of its pointers, its steps, the number of points, a number of points that parts are
multiples of (but for the last), the number of parts, the memory for a status per part, the memory
for scratch and how many bytes of it each thread has.
"""

from __future__ import annotations

import platform
from typing import Final

_SPINS: Final = 2000  # looks before a waiting thread lets others run: some 50 microseconds

_PAUSES: Final = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}
_PAUSES["AMD64"] = _PAUSES["x86_64"]
_PAUSES["arm64"] = _PAUSES["aarch64"]


def sharing() -> str:
    """The text for this machine. It calls `symdiff_yield`, which lets other threads run."""
    declaration, pause = _PAUSES.get(platform.machine(), ("", ""))
    return f"""\
{declaration}
declare i32 @symdiff_yield()

define internal i64 @wait(i64 %looks) {{
entry:
  %long = icmp sgt i64 %looks, {_SPINS}
  br i1 %long, label %give, label %stay
stay:
  {pause}
  %more = add i64 %looks, 1
  ret i64 %more
give:
  %ignored = call i32 @symdiff_yield()
  ret i64 %looks
}}
{_TEXT}"""


_TEXT: Final = """
define internal ptr @phase(ptr %shared, i64 %number) {
entry:
  %offset = mul i64 %number, 64
  %slot = getelementptr i8, ptr %shared, i64 %offset
  ret ptr %slot
}

; All parts that nobody has taken yet.
define internal void @take(ptr %shared, ptr %slot, i64 %me) {
entry:
  %done.at = getelementptr i64, ptr %slot, i64 1
  %parts.at = getelementptr i64, ptr %slot, i64 2
  %function.at = getelementptr i64, ptr %slot, i64 3
  %context.at = getelementptr i64, ptr %shared, i64 2
  %parts = load i64, ptr %parts.at
  %function = load ptr, ptr %function.at
  %context = load ptr, ptr %context.at
  br label %next
next:
  %part = atomicrmw add ptr %slot, i64 1 monotonic
  %mine = icmp slt i64 %part, %parts
  br i1 %mine, label %run, label %end
run:
  call void %function(ptr %context, i64 %part, i64 %me)
  %before = atomicrmw add ptr %done.at, i64 1 acq_rel
  br label %next
end:
  ret void
}

define void @symdiff_share(ptr %shared, i64 %k, i64 %parts, ptr %function) {
entry:
  %number = add i64 %k, 1
  %slot = call ptr @phase(ptr %shared, i64 %number)
  %done.at = getelementptr i64, ptr %slot, i64 1
  %parts.at = getelementptr i64, ptr %slot, i64 2
  %function.at = getelementptr i64, ptr %slot, i64 3
  store i64 %parts, ptr %parts.at
  store ptr %function, ptr %function.at
  store atomic i64 %number, ptr %shared release, align 8
  call void @take(ptr %shared, ptr %slot, i64 0)
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %more, %again ]
  %done = load atomic i64, ptr %done.at acquire, align 8
  %all = icmp eq i64 %done, %parts
  br i1 %all, label %end, label %again
again:
  %more = call i64 @wait(i64 %looks)
  br label %look
end:
  ret void
}

define void @symdiff_help(ptr %shared) {
entry:
  %helpers.at = getelementptr i64, ptr %shared, i64 1
  %others = atomicrmw add ptr %helpers.at, i64 1 monotonic
  %me = add i64 %others, 1
  br label %look
look:
  %seen = phi i64 [ 0, %entry ], [ %seen, %again ], [ %number, %new ]
  %looks = phi i64 [ 0, %entry ], [ %more, %again ], [ 0, %new ]
  %number = load atomic i64, ptr %shared acquire, align 8
  %over = icmp slt i64 %number, 0
  br i1 %over, label %end, label %going
going:
  %old = icmp eq i64 %number, %seen
  br i1 %old, label %again, label %new
again:
  %more = call i64 @wait(i64 %looks)
  br label %look
new:
  %slot = call ptr @phase(ptr %shared, i64 %number)
  call void @take(ptr %shared, ptr %slot, i64 %me)
  br label %look
end:
  ret void
}

%batch = type { ptr, i64, ptr, i64, ptr, i64, i64, i64, ptr, ptr, i64 }

define void @symdiff_batch(ptr %shared) {
entry:
  %context.at = getelementptr i64, ptr %shared, i64 2
  %context = load ptr, ptr %context.at
  %parts.at = getelementptr %batch, ptr %context, i64 0, i32 7
  %parts = load i64, ptr %parts.at
  call void @symdiff_share(ptr %shared, i64 0, i64 %parts, ptr @points)
  store atomic i64 -1, ptr %shared release, align 8
  ret void
}

; The first of the points of a part.
define internal i64 @border(i64 %units, i64 %unit, i64 %parts, i64 %part) {
entry:
  %product = mul i64 %units, %part
  %first = sdiv i64 %product, %parts
  %point = mul i64 %first, %unit
  ret i64 %point
}

define internal void @points(ptr %context, i64 %part, i64 %me) {
entry:
  %all = load %batch, ptr %context
  %function = extractvalue %batch %all, 0
  %checked = extractvalue %batch %all, 1
  %pointers = extractvalue %batch %all, 2
  %count = extractvalue %batch %all, 3
  %steps = extractvalue %batch %all, 4
  %n = extractvalue %batch %all, 5
  %unit = extractvalue %batch %all, 6
  %parts = extractvalue %batch %all, 7
  %statuses = extractvalue %batch %all, 8
  %scratch = extractvalue %batch %all, 9
  %bytes = extractvalue %batch %all, 10
  %units = sdiv i64 %n, %unit
  %low = call i64 @border(i64 %units, i64 %unit, i64 %parts, i64 %part)
  %after = add i64 %part, 1
  %next = call i64 @border(i64 %units, i64 %unit, i64 %parts, i64 %after)
  %last = icmp eq i64 %after, %parts
  %high = select i1 %last, i64 %n, i64 %next
  %mine = sub i64 %high, %low
  %own = mul i64 %me, %bytes
  %ws = getelementptr i8, ptr %scratch, i64 %own
  %moved = alloca ptr, i64 %count
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %body ]
  %some = icmp slt i64 %i, %count
  br i1 %some, label %body, label %run
body:
  %base.at = getelementptr ptr, ptr %pointers, i64 %i
  %step.at = getelementptr i64, ptr %steps, i64 %i
  %base = load ptr, ptr %base.at
  %step = load i64, ptr %step.at
  %distance = mul i64 %low, %step
  %place = getelementptr i8, ptr %base, i64 %distance
  %place.at = getelementptr ptr, ptr %moved, i64 %i
  store ptr %place, ptr %place.at
  %i.next = add i64 %i, 1
  br label %head
run:
  %says = icmp ne i64 %checked, 0
  br i1 %says, label %ask, label %trust
ask:
  %status = call i64 %function(ptr %moved, ptr %steps, i64 %mine, ptr %ws)
  %status.at = getelementptr i64, ptr %statuses, i64 %part
  store i64 %status, ptr %status.at
  ret void
trust:
  call void %function(ptr %moved, ptr %steps, i64 %mine, ptr %ws)
  ret void
}
"""
