/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Background execs of a VM that is none: programs of this machine whose output is kept in files
 * without a name. */
#pragma once

#include "plugin/host/berth-host.h"
#include "tests/host/fake-tty.h"

G_BEGIN_DECLS

typedef struct _FakeBackground FakeBackground;

FakeBackground *fake_background_new (void);
void fake_background_free (FakeBackground *self);

/* The program of @argv runs, its output goes to these descriptors, which it takes over, as it does
 * @tty (nullable); answers
 * @task, which it takes over, with its number. @exec: (transfer full) */
void fake_background_start (FakeBackground *self, BerthVm *vm, BerthExec *exec, GPid pid,
                            int stdin_fd, int stdout_fd, int stderr_fd, FakeTty *tty, GTask *task);
/* Takes over @request and @task. */
void fake_background_ask (FakeBackground *self, BerthVm *vm, BerthBackgroundRequest *request,
                          GTask *task);
/* @vm is no more */
void fake_background_end (FakeBackground *self, BerthVm *vm);

G_END_DECLS
