(component
  (core module $m
    (import "own" "drop" (func (param i32)))
    (func (export "dtor") (param i32)))
  (type $thing (resource (rep i32)))
  (core func $new (canon resource.new $thing))
  (core func $rep (canon resource.rep $thing))
  (core func $drop (canon resource.drop $thing))
  (core instance $own (export "drop" (func $drop)))
  (core instance $i (instantiate $m (with "own" (instance $own))))
  (export $exported "thing" (type $thing)))
