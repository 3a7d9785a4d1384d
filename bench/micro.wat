;; The component that bench/micro.c calls: loops over host calls, so that one call from the host measures many.
(component
  (import "bench:host/api@1.0.0" (instance $api
    (export "ping" (func (param "x" u32) (result u32)))
    (export "take" (func (param "bytes" (list u8))))))
  (core module $memory (memory (export "memory") 2))
  (core instance $memory (instantiate $memory))
  (core func $ping (canon lower (func $api "ping")))
  (core func $take (canon lower (func $api "take") (memory (core memory $memory "memory"))))
  (core module $main
    (import "host" "ping" (func $ping (param i32) (result i32)))
    (import "host" "take" (func $take (param i32 i32)))
    (func (export "nothing"))
    (func (export "pings") (param $n i32)
      (loop $again
        (drop (call $ping (local.get $n)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "takes") (param $n i32)
      (loop $again
        (call $take (i32.const 1024) (i32.const 65536))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
  (core instance $host (export "ping" (func $ping)) (export "take" (func $take)))
  (core instance $main (instantiate $main (with "host" (instance $host))))
  (func (export "nothing") (canon lift (core func $main "nothing")))
  (func (export "pings") (param "n" u32) (canon lift (core func $main "pings")))
  (func (export "takes") (param "n" u32) (canon lift (core func $main "takes"))))
