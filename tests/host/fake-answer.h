/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a fake host answers of VMs in which nobody plays anything. */
#pragma once

#include "plugin/host/berth-host.h"

G_BEGIN_DECLS

/* It ended at once with 0; one in the background has begun, as number 1. */
void fake_answer_exec (const BerthExec *exec, GTask *task);
/* What @vm is, its id, written to @fd: as much of it as may be */
void fake_answer_copy (BerthVm *vm, int fd, guint64 max_bytes, GTask *task);
/* A transfer of nothing */
void fake_answer_file (GTask *task);
/* Those of fake_answer_set_execs(), or none; each has ended with 0. */
void fake_answer_background (BerthHost *host, const BerthBackgroundRequest *request, GTask *task);
/* Of the last one whose end was waited for */
guint fake_answer_get_limit_ms (BerthHost *host);
/* @execs: (transfer floating): aa{sv}: what every VM of @host has in the background */
void fake_answer_set_execs (BerthHost *host, GVariant *execs);

G_END_DECLS
