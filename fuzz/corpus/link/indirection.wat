(component
  (import "host" (instance $host (export "f" (func))))
  (core module $calls
    (type $t (func))
    (table (export "$imports") 1 1 funcref)
    (func (export "0") (type $t) (i32.const 0) (call_indirect (type $t))))
  (core instance $calls (instantiate $calls))
  (core module $main
    (import "" "f" (func $f))
    (func (export "_initialize"))
    (func (export "run") (call $f)))
  (core instance $main (instantiate $main (with "" (instance (export "f" (func $calls "0"))))))
  (core func $f (canon lower (func $host "f")))
  (core module $fill
    (import "" "0" (func $f))
    (import "" "init" (func $init))
    (import "" "$imports" (table 1 1 funcref))
    (start $init)
    (elem (i32.const 0) func $f))
  (core instance (instantiate $fill (with "" (instance
    (export "0" (func $f)) (export "init" (func $main "_initialize"))
    (export "$imports" (table $calls "$imports"))))))
  (func (export "run") (canon lift (core func $main "run"))))
