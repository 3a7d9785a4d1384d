;; SPDX-License-Identifier: Apache-2.0
;; Takes 4 x 32 MiB in memories that it does not export. Succeeds when one of them is refused.
(component
  (core module $m
    (memory $a 1) (memory $b 1) (memory $c 1) (memory $d 1)
    (func (export "run") (result i32)
      (i32.ne (i32.const -1) (memory.grow $a (i32.const 511)))
      (i32.ne (i32.const -1) (memory.grow $b (i32.const 511)))
      (i32.ne (i32.const -1) (memory.grow $c (i32.const 511)))
      (i32.ne (i32.const -1) (memory.grow $d (i32.const 511)))
      i32.and i32.and i32.and))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r)))
