/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of a D-Bus call, checked and turned into what the manager wants. */
#pragma once

#include <gio/gio.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/model/berth-option.h"

G_BEGIN_DECLS

/**
 * BerthOptions:
 * @sandbox: its strings belong to the message, its boot log and ports to the options
 * @exec: (nullable): NULL where no program was asked for
 * @message: the options as they came
 */
typedef struct
{
  BerthSandboxOptions sandbox;
  BerthExec *exec;
  GVariant *message;
} BerthOptions;

BerthOptions *berth_options_parse (BerthOptionSet set, GVariant *message, const BerthCallerFds *fds,
                                   guint32 uid, gint64 default_wait_us, GError **error);
void berth_options_free (BerthOptions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthOptions, berth_options_free)

G_END_DECLS
