/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The terminal of a program of a VM that is none: one of this machine's. */
#pragma once

#include "plugin/model/berth-exec.h"

typedef struct _FakeTty FakeTty;

/* @exec: its streams are taken. The program gets *@out_program_fd as all three; @shown is called
 * when all that it showed has gone where it was to go, or to *@out_captured_fd. */
FakeTty *fake_tty_new (BerthExec *exec, GFunc shown, gpointer user_data, int *out_program_fd,
                       int *out_captured_fd);
/* The calling process, which is about to become the program. */
void fake_tty_control (void);
void fake_tty_free (FakeTty *self);
