;; SPDX-License-Identifier: Apache-2.0
;; Traps in its start function: before any export can be called.
(component
  (core module $m
    (func $begin_badly unreachable)
    (start $begin_badly)
    (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
