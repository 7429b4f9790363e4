/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs of a VM that is none: run by this machine's /bin/sh, in the folder of the VM's files. */
#pragma once

#include "plugin/host/berth-host.h"

G_BEGIN_DECLS

typedef struct _FakePrograms FakePrograms;

FakePrograms *fake_programs_new (void);
void fake_programs_free (FakePrograms *self);

/* Runs @exec, which it takes over with @task; completes it with a #BerthResult. @folder: where */
void fake_programs_run (FakePrograms *self, BerthVm *vm, const char *folder, BerthExec *exec,
                        GTask *task);
/* Of what runs in the background; takes over @request and @task. */
void
fake_programs_ask (FakePrograms *self, BerthVm *vm, BerthBackgroundRequest *request, GTask *task);
/* @vm is no more: what runs in it is killed, and nobody knows what it did. */
void fake_programs_end (FakePrograms *self, BerthVm *vm);

G_END_DECLS
