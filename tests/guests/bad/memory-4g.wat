;; SPDX-License-Identifier: Apache-2.0
;; Demands 4 GiB of memory from the start.
(component
  (core module $m
    (memory (export "memory") 65536)
    (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
