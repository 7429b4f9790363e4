/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a log entry is written: structured to the journal, or as a line that a person reads. */
#include "plugin/daemon/berth-log.h"

#include <stdio.h>
#include <string.h>

#include "plugin/base/berth-printable.h"

static const char *
find_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, key) == 0 && fields[i].length < 0)
      return fields[i].value;
  return NULL;
}

static const char *
level_prefix (GLogLevelFlags level)
{
  if ((level & G_LOG_LEVEL_ERROR) != 0 || (level & G_LOG_LEVEL_CRITICAL) != 0)
    return "berthd: bug: ";
  if ((level & G_LOG_LEVEL_WARNING) != 0)
    return "berthd: warning: ";
  if ((level & G_LOG_LEVEL_DEBUG) != 0)
    return "berthd: debug: ";
  return "";
}

static GLogWriterOutput
write_line (GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
  const char *message = find_field (fields, n_fields, "MESSAGE");
  g_autofree char *printable = NULL;
  g_autofree char *line = NULL;

  if (message == NULL)
    return G_LOG_WRITER_HANDLED;
  /* it may quote what a guest or a client wrote, who writes no entries of its own */
  printable = berth_printable_dup (message, FALSE);
  line = g_strconcat (level_prefix (level), printable, "\n", NULL);
  /* one write for each entry, so that those of several threads never mix */
  fwrite (line, 1, strlen (line), stderr);
  return G_LOG_WRITER_HANDLED;
}

static GLogWriterOutput
writer_cb (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  gboolean foreground = GPOINTER_TO_INT (user_data);

  if (g_log_writer_default_would_drop (level, find_field (fields, n_fields, "GLIB_DOMAIN")))
    return G_LOG_WRITER_HANDLED;
  if (!foreground && g_log_writer_is_journald (fileno (stderr)))
    return g_log_writer_journald (level, fields, n_fields, NULL);
  return write_line (level, fields, n_fields);
}

/**
 * berth_log_install:
 * @foreground: to standard error even where that leads to the journal
 *
 * To be called once, before anything is logged.
 */
void
berth_log_install (gboolean foreground)
{
  g_log_set_writer_func (writer_cb, GINT_TO_POINTER (foreground), NULL);
}
