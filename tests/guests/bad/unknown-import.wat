;; SPDX-License-Identifier: Apache-2.0
;; Imports what nobody offers.
(component
  (import "acme:gadget/spin@1.0.0" (instance (export "spin" (func))))
  (core module $m (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
