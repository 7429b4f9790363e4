/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every option of a request, described once: what it is called on D-Bus, on the command line and in
 * the library, who takes it, what it may be. The command's options, its help and its completion,
 * the library's messages and berthd's reading of them are made of this table. */
#pragma once

#include <gio/gio.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/model/berth-exec.h"
#include "plugin/model/berth-sandbox-options.h"

G_BEGIN_DECLS

/**
 * BerthOptionSet:
 * @BERTH_OPTION_SET_SANDBOX: options that make a sandbox
 * @BERTH_OPTION_SET_EXEC: options that run a program
 * @BERTH_OPTION_SET_SESSION: options of a sandbox that stays
 * @BERTH_OPTION_SET_RUN: options of one that does not
 * @BERTH_OPTION_SET_FILES: options of a program whose sandbox does not stay
 * @BERTH_OPTION_SET_BACKGROUND: options of a program that nobody waits for
 *
 * Which options a method takes.
 */
typedef enum
{
  BERTH_OPTION_SET_SANDBOX = 1 << 0,
  BERTH_OPTION_SET_EXEC = 1 << 1,
  BERTH_OPTION_SET_SESSION = 1 << 2,
  BERTH_OPTION_SET_RUN = 1 << 3,
  BERTH_OPTION_SET_FILES = 1 << 4,
  BERTH_OPTION_SET_BACKGROUND = 1 << 5,
} BerthOptionSet;

/**
 * BerthOptionKind:
 * @BERTH_OPTION_NAME: a string by pool's rule for names
 * @BERTH_OPTION_TEXT: a string
 * @BERTH_OPTION_TEXTS: strings
 * @BERTH_OPTION_BYTES: bytes
 * @BERTH_OPTION_NUMBER: a guint32 from @min to @max
 * @BERTH_OPTION_MILLISECONDS: the same; seconds on the command line
 * @BERTH_OPTION_WAIT: a gint64, milliseconds up to @max or -1 for ever; a field in microseconds
 * @BERTH_OPTION_FLAG: a gboolean
 * @BERTH_OPTION_INPUT: a descriptor that berthd reads
 * @BERTH_OPTION_OUTPUT: a descriptor that berthd writes to
 * @BERTH_OPTION_STREAM: the same; a field of type #GOutputStream
 * @BERTH_OPTION_PATHS: byte strings
 * @BERTH_OPTION_SIZE: a guint64, bytes
 * @BERTH_OPTION_TTY: rows and columns; a field of type #BerthTty
 * @BERTH_OPTION_PORTS: listening sockets and ports; a field of #BerthListener in a #GArray; on the
 *   command line each as berth_port_place_parse() has it
 *
 * What values an option has.
 */
typedef enum
{
  BERTH_OPTION_NAME,
  BERTH_OPTION_TEXT,
  BERTH_OPTION_TEXTS,
  BERTH_OPTION_BYTES,
  BERTH_OPTION_NUMBER,
  BERTH_OPTION_MILLISECONDS,
  BERTH_OPTION_WAIT,
  BERTH_OPTION_FLAG,
  BERTH_OPTION_INPUT,
  BERTH_OPTION_OUTPUT,
  BERTH_OPTION_STREAM,
  BERTH_OPTION_PATHS,
  BERTH_OPTION_SIZE,
  BERTH_OPTION_TTY,
  BERTH_OPTION_PORTS,
} BerthOptionKind;

/**
 * BerthOption:
 * @key: its name on D-Bus
 * @kind: which values it has, and so its type there
 * @set: who takes it
 * @offset: of the field that it fills: in #BerthExec where @set is EXEC, FILES or BACKGROUND, else
 *   in #BerthSandboxOptions
 * @min: of a number
 * @max: of a number
 * @property: (nullable): of #BerthSpec or #BerthProgram; NULL for none
 * @flag: (nullable): on the command line; NULL for none
 * @short_flag: the same in one letter; '\0' for none
 * @metavar: what stands for its value in the help
 * @help: what it is for
 */
typedef struct
{
  const char *key;
  BerthOptionKind kind;
  BerthOptionSet set;
  gsize offset;
  gint64 min;
  gint64 max;
  const char *property;
  const char *flag;
  char short_flag;
  const char *metavar;
  const char *help;
} BerthOption;

#define BERTH_OPTION_COUNT 36u

/* All BERTH_OPTION_COUNT, in the order of the help */
const BerthOption *berth_option_table (void);
/* (nullable) */
const BerthOption *berth_option_find (BerthOptionSet set, const char *key);
/* (nullable): what a value's type is on D-Bus */
const char *berth_option_get_type (const BerthOption *option);

/* (transfer full) (nullable): why @value, of the right type, can't be; for a message that names the
 * option. Descriptors are judged by berth_option_take_fd(). */
char *berth_option_dup_problem (const BerthOption *option, GVariant *value);

/* Checks @value and fills the option's field with it. @sandbox borrows strings of @value, and
 * tells whose descriptors are taken: of values without any it may be NULL. @exec: may be NULL where
 * the option does not run a program. Fails with BERTH_ERROR_INVALID. */
gboolean berth_option_take (const BerthOption *option, GVariant *value, const BerthCallerFds *fds,
                            BerthSandboxOptions *sandbox, BerthExec *exec, GError **error);

/**
 * berth_option_take_fd:
 * @key: of the option
 * @value: a handle
 * @fds: (nullable): as they came
 * @is_input: berthd reads it
 * @uid: the caller's
 * @out_fd: (inout): -1 before; owned by the caller then, whatever is returned
 *
 * Only pipes and pairs of sockets, see berth_caller_fd_take().
 *
 * Returns: whether the descriptor serves
 */
gboolean berth_option_take_fd (const char *key, GVariant *value, const BerthCallerFds *fds,
                               gboolean is_input, guint32 uid, int *out_fd, GError **error);

/* Writes the options of @set that @object, a #BerthSpec or a #BerthProgram, has another value for
 * than its default, and checks them. Fails with BERTH_ERROR_INVALID. */
gboolean berth_option_write_object (BerthOptionSet set, GObject *object, GVariantDict *options,
                                    GError **error);
/* Whether these options of @BERTH_OPTION_SET_EXEC, together, are a program that may be run. Fails
 * with BERTH_ERROR_INVALID. */
gboolean berth_option_check_program (GVariant *values, GError **error);

G_END_DECLS
