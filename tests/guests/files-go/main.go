// SPDX-License-Identifier: Apache-2.0

// files DIR uses the directory in every ordinary way, then tries to get out of it. Each attempt prints one
// line, `name: ok` or `name: error`; see ../files-c, which does the same and more with another standard library.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

func report(name string, err error) {
	text := "ok"
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		text = "ENOENT"
	case errors.Is(err, fs.ErrPermission):
		text = "EPERM"
	case errors.Is(err, fs.ErrExist):
		text = "EEXIST"
	case errors.Is(err, syscall.EBADF): // no granted directory holds the path
		text = "EBADF"
	default:
		text = err.Error()
	}
	fmt.Printf("%s: %s\n", name, text)
}

func reads(path, expected string) error {
	text, err := os.ReadFile(path)
	if err == nil && expected != "" && string(text) != expected {
		return fmt.Errorf("read %q", text)
	}
	return err
}

func writes(path string, flags int, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|flags, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(text)
	return err
}

func lists(path string) error {
	entries, err := os.ReadDir(path)
	for _, entry := range entries {
		fmt.Printf("entry: %s\n", entry.Name())
	}
	return err
}

func use(in func(string) string) {
	report("read", reads(in("hello.txt"), "hello\n"))
	report("read-missing", reads(in("missing.txt"), ""))
	report("list", lists(in("")))
	info, err := os.Stat(in("hello.txt"))
	if err == nil && info.Size() != 6 {
		err = fmt.Errorf("size %d", info.Size())
	}
	report("stat", err)
	report("link-inside", reads(in("link-inside"), "hello\n"))
	report("write", writes(in("new.txt"), os.O_CREATE|os.O_EXCL, "written"))
	report("read-back", reads(in("new.txt"), "written"))
	report("exclusive", writes(in("new.txt"), os.O_CREATE|os.O_EXCL, "again"))
	report("append", writes(in("new.txt"), os.O_APPEND, " more"))
	report("read-appended", reads(in("new.txt"), "written more"))
	report("truncate", os.Truncate(in("new.txt"), 5))
	report("read-truncated", reads(in("new.txt"), "writt"))
	report("rename", os.Rename(in("new.txt"), in("renamed.txt")))
	report("mkdir", os.Mkdir(in("made"), 0o755))
	report("rename-into", os.Rename(in("renamed.txt"), in("made/inner.txt")))
	report("unlink", os.Remove(in("made/inner.txt")))
	report("rmdir", os.Remove(in("made")))
}

func escape(in func(string) string) {
	// Written out, because filepath.Join would clean the dots away.
	report("out-dotdot", reads(in("")+"/../secret.txt", ""))
	report("out-dotdot-deep", reads(in("")+"/sub/../../secret.txt", ""))
	report("out-absolute", reads("/etc/passwd", ""))
	report("out-link", reads(in("link-out"), ""))
	report("out-link-absolute", reads(in("link-absolute"), ""))
	report("out-link-directory", reads(in("link-directory/secret.txt"), ""))
	report("out-link-directory-slash", lists(in("")+"/link-directory/"))
	report("out-link-chain", reads(in("link-chain"), ""))
	report("out-create", writes(in("")+"/../created.txt", os.O_CREATE, "x"))
	report("out-create-through-link", writes(in("link-dangling"), os.O_CREATE, "x"))
	report("out-mkdir", os.Mkdir(in("")+"/../made", 0o755))
	report("out-unlink", os.Remove(in("")+"/../secret.txt"))
	report("out-rename-away", os.Rename(in("hello.txt"), in("")+"/../stolen.txt"))
	report("out-rename-in", os.Rename(in("")+"/../secret.txt", in("got.txt")))
	report("out-hard-link", os.Link(in("")+"/../secret.txt", in("hard.txt")))
	report("make-link", os.Symlink("../secret.txt", in("made-link")))
	report("out-made-link", reads(in("made-link"), ""))
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: files DIR, and DIR must be granted")
		os.Exit(2)
	}
	in := func(name string) string { return filepath.Join(os.Args[1], name) }
	use(in)
	escape(in)
	fmt.Println("done")
}
