// SPDX-License-Identifier: Apache-2.0
// The line is taken byte by byte into the caller's memory: the terminal's own line editing would keep a copy
// and could be interrupted with the echo switched off. So signals from the keyboard are off as well, and ^C
// is a byte.
#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "os/fd.h"

enum { KEY_INTERRUPT = 3, KEY_END = 4, KEY_BACKSPACE = 8, KEY_KILL = 21, KEY_DELETE = 127 };

static status read_line(int fd, uint8_t *bytes, size_t size, size_t *ret_len, err *e) {
    size_t len = 0;
    for (;;) {
        volatile uint8_t c = 0;
        ssize_t n = read(fd, (void *)(uintptr_t)&c, 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || c == KEY_INTERRUPT || c == KEY_END) {
            return err_set(e, STATUS_CANCELLED, "nothing was entered");
        }
        if (c == '\n' || c == '\r') {
            *ret_len = len;
            return STATUS_OK;
        }
        if (c == KEY_BACKSPACE || c == KEY_DELETE) {
            // A character of UTF-8 goes as a whole.
            do {
                len -= len > 0;
            } while (len > 0 && (bytes[len] & 0xc0) == 0x80);
        } else if (c == KEY_KILL) {
            len = 0;
        } else if (len == size) {
            return err_set(e, STATUS_LIMIT, "the line is longer than %zu bytes", size);
        } else {
            bytes[len++] = c;
        }
        c = 0;
    }
}

// With the echo off, and signals that would end the process held back until it is on again.
static status read_unseen(int fd, uint8_t *bytes, size_t size, size_t *ret_len, err *e) {
    struct termios was;
    sigset_t held, mask;
    if (tcgetattr(fd, &was) != 0) {
        return err_set_errno(e, errno, "the terminal");
    }
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGTSTP);
    sigprocmask(SIG_BLOCK, &held, &mask);
    struct termios quiet = was;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    status s = tcsetattr(fd, TCSAFLUSH, &quiet) == 0 ? read_line(fd, bytes, size, ret_len, e)
                                                     : err_set_errno(e, errno, "switch the echo off");
    (void)tcsetattr(fd, TCSAFLUSH, &was);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return s;
}

status terminal_read_hidden(const char *prompt, void *bytes, size_t size, size_t *ret_len, err *e) {
    auto_fd fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return err_set(e, STATUS_NOT_FOUND, "there is no terminal to ask on");
    }
    TRY(fd_write_all(fd, slice_from_text(prompt), e));
    status s = read_unseen(fd, bytes, size, ret_len, e);
    (void)fd_write_if_ready(fd, slice_from_text("\n"));
    if (s != STATUS_OK) {
        explicit_bzero(bytes, size);
    }
    return s;
}

bool terminal_is_there(void) {
    auto_fd fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd >= 0;
}
