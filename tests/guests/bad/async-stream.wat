;; SPDX-License-Identifier: Apache-2.0
;; Uses a stream type of the component model's async proposal in an import of WASI 0.3.
(component
  (type $bytes (stream u8))
  (import "wasi:cli/stdout@0.3.0"
    (instance (export "write-via-stream" (func (param "data" (stream u8))))))
  (core module $m (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
