/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of a D-Bus call, checked and turned into what the manager wants. */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "plugin/manager/berth-manager.h"

G_BEGIN_DECLS

/**
 * BerthOptionSet:
 * @BERTH_OPTION_SET_SANDBOX: options that make a sandbox
 * @BERTH_OPTION_SET_EXEC: options that run a program
 * @BERTH_OPTION_SET_SESSION: options of a sandbox that stays
 * @BERTH_OPTION_SET_RUN: options of one that does not
 *
 * Which options a method takes.
 */
typedef enum
{
  BERTH_OPTION_SET_SANDBOX = 1 << 0,
  BERTH_OPTION_SET_EXEC = 1 << 1,
  BERTH_OPTION_SET_SESSION = 1 << 2,
  BERTH_OPTION_SET_RUN = 1 << 3,
} BerthOptionSet;

/**
 * BerthOptions:
 * @sandbox: its strings belong to the message, its boot log to the options
 * @exec: (nullable): NULL where no program was asked for
 * @message: the options as they came
 */
typedef struct
{
  BerthSandboxOptions sandbox;
  BerthExec *exec;
  GVariant *message;
} BerthOptions;

BerthOptions *berth_options_parse (BerthOptionSet set, GVariant *message, GUnixFDList *fds,
                                   gint64 default_wait_us, GError **error);
gboolean berth_options_take_fd (const char *key, GVariant *value, GUnixFDList *fds,
                                gboolean is_input, int *out_fd, GError **error);
void berth_options_free (BerthOptions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthOptions, berth_options_free)

G_END_DECLS
