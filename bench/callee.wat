;; What bench/micro.wat imports, as a component: bench/micro.c measures calls from the one to the other.
(component
  (core module $main
    (memory (export "memory") 4)
    (func (export "ping") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func (export "take") (param i32 i32))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
  (core instance $main (instantiate $main))
  (func $ping (param "x" u32) (result u32) (canon lift (core func $main "ping")))
  (func $take (param "bytes" (list u8)) (canon lift (core func $main "take")
    (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (instance $api (export "ping" (func $ping)) (export "take" (func $take)))
  (export "bench:host/api@1.0.0" (instance $api)))
