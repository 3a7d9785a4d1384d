(component (component (component (component (component (component (component (component (component (component)))))))))
  (type (list (list (list (list (list (list (list (list u8))))))))))
