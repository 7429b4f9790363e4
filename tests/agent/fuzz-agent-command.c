/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a command's arguments: they are none, or a list that is the bytes again. */
#include <glib.h>
#include <stdlib.h>

#include "agent-command.h"
#include "berth-protocol.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *block = g_memdup2 (data, size);
  char **argv = berth_agent_command_parse (block, size);
  gsize at = 0;
  guint count = 0;

  if (argv == NULL)
    return 0;
  for (; argv[count] != NULL; count++)
    {
      g_assert_true (argv[count] == block + at);
      at += strlen (argv[count]) + 1;
    }
  g_assert_cmpuint (at, ==, size);
  g_assert_cmpuint (count, >, 0);
  g_assert_cmpuint (count, <=, BERTH_ARGS_MAX);
  g_assert_true (argv[0][0] != '\0');
  free (argv);
  return 0;
}
