(component
  (import "a:b/c" (instance
    (type $r (record (field "a" u8) (field "b" (list string)) (field "c" (option float64))))
    (export "r" (type $r2 (eq $r)))
    (type $v (variant (case "none") (case "some" $r2) (case "list" (list $r2))))
    (export "v" (type $v2 (eq $v)))
    (type $e (enum "red" "green" "blue"))
    (export "e" (type $e2 (eq $e)))
    (type $f (flags "read" "write" "run"))
    (export "f" (type $f2 (eq $f)))
    (export "call" (func (param "x" (tuple s8 u16 s32 u64 float32 char bool)) (param "y" $f2)
      (result (result $v2 (error $e2))))))))
