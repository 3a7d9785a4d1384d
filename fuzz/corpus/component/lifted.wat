(component
  (core module $m
    (memory (export "mem") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
    (func (export "greet") (param i32 i32) (result i32) i32.const 0)
    (func (export "free") (param i32)))
  (core instance $i (instantiate $m))
  (func $greet (param "name" string) (result string)
    (canon lift (core func $i "greet") (memory (core memory $i "mem")) (realloc (core func $i "realloc"))
      (post-return (core func $i "free")) string-encoding=utf8))
  (export "greet" (func $greet)))
