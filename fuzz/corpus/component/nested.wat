(component $outer
  (core module $m (func (export "one") (result i32) i32.const 1))
  (component $inner
    (alias outer $outer $m (core module $shared))
    (core instance $i (instantiate $shared))
    (func $one (result u32) (canon lift (core func $i "one")))
    (export "one" (func $one)))
  (component $middle
    (import "one" (func $one (result u32)))
    (export "again" (func $one)))
  (instance $a (instantiate $inner))
  (instance $b (instantiate $middle (with "one" (func $a "one"))))
  (export "result" (func $b "again")))
