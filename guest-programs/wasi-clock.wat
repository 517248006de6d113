;; The other way to cross into an operating system: a WASI module that asks for the time. `ring3 bench` runs it under @wasmer/wasi,
;; for the row "WASI host call". `calls` makes that many of them and answers the last one's errno, 0 for success; `loop`
;; is the same loop around nothing, to be subtracted.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start"))
  (func (export "calls") (param $calls i32) (result i32)
    (local $errno i32)
    (loop $again
      ;; clock 1: monotonic; precision 1 ns; the time goes to address 8
      (local.set $errno (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 8)))
      (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
      (br_if $again (local.get $calls)))
    (local.get $errno))
  (func (export "loop") (param $calls i32) (result i32)
    (loop $again
      (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
      (br_if $again (local.get $calls)))
    (i32.const 0)))
