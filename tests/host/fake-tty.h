/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The terminal of a program of a VM that is none: one of this machine's. */
#pragma once

#include "plugin/model/berth-exec.h"

typedef struct _FakeTty FakeTty;

/* @exec: its streams are taken. The program gets *@out_program_fd as all three; @shown is called
 * when all that it showed has gone where it was to go, or to *@out_captured_fd. */
FakeTty *fake_tty_new (BerthExec *exec, GFunc shown, gpointer user_data, int *out_program_fd,
                       int *out_captured_fd);
/* The same of one in the background, which nobody sits at yet: what it shows is kept in @kept_fd.
 */
FakeTty *fake_tty_new_background (BerthTty *size, int kept_fd, int *out_program_fd);
/* For who types there: a descriptor that is his own */
int fake_tty_dup_typing (FakeTty *self);
void fake_tty_set_size (FakeTty *self, BerthTty *size);
/* Takes what it has shown until now, and all that it will, where it is not over yet. */
void fake_tty_look (FakeTty *self);

/* The calling process, which is about to become the program. */
void fake_tty_control (void);
void fake_tty_free (FakeTty *self);
