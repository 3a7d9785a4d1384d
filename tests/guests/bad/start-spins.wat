;; SPDX-License-Identifier: Apache-2.0
;; Never leaves its start function: instantiation must be under the deadline too.
(component
  (core module $m
    (func $begin_for_ever (loop $again (br $again)))
    (start $begin_for_ever)
    (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
