(component
  (type $r (record (field "a" u8) (field "b" (list string)) (field "c" (option float64))))
  (type $v (variant (case "none") (case "some" $r) (case "list" (list $r))))
  (type $e (enum "red" "green" "blue"))
  (type $f (flags "read" "write" "run"))
  (type $t (tuple s8 u16 s32 u64 float32 char bool))
  (type $res (result $v (error $e)))
  (type $fn (func (param "x" $t) (param "y" $f) (result $res)))
  (import "f" (func (type $fn))))
