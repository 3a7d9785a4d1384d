;; SPDX-License-Identifier: Apache-2.0
;; Lifts its function with the async ABI of WASI 0.3, without a callback.
(component
  (core module $m (func (export "run") (param) unreachable))
  (core instance $i (instantiate $m))
  (core func $return (canon task.return (result (result))))
  (func $run async (result (result)) (canon lift (core func $i "run") async))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.3.0" (instance $api)))
