/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ours and the program's are one terminal: keys, size, kind. berthd gets pipes, never the terminal
 * itself, so nothing but what is shown can reach it from there. */
#include "plugin/cli/berth-cli-attend.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/berth-protocol.h"
#include "plugin/cli/berth-cli-keys.h"
#include "plugin/cli/berth-cli-raw.h"
#include "plugin/cli/berth-cli-streams.h"
#include "plugin/cli/berth-cli-terminal.h"
#include "pool/berth-error.h"

/**
 * berth_attend_check:
 * @error: set where it fails
 *
 * Returns: whether somebody can type here; %FALSE with %BERTH_ERROR_INVALID
 */
gboolean
berth_attend_check (GError **error)
{
  if (isatty (STDIN_FILENO))
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "standard input is no terminal: 'berth exec -x ID PROGRAM' runs a program "
                       "without one");
  return FALSE;
}

/* Of our own environment: what kind of terminal this is, unless the user said it with -e. */
static void
append_kind (GPtrArray *env, const char *name)
{
  g_autofree char *prefix = g_strconcat (name, "=", NULL);
  const char *value = g_getenv (name);

  for (guint i = 0; i < env->len; i++)
    if (g_str_has_prefix (env->pdata[i], prefix))
      return;
  if (value != NULL && *value != '\0' && strlen (value) <= BERTH_ENV_VALUE_MAX
      && g_str_is_ascii (value))
    g_ptr_array_add (env, g_strconcat (prefix, value, NULL));
}

/**
 * berth_attend_add:
 * @options: of a command; gets what kind of terminal this is, and a day's time where no limit was
 * asked for
 * @error: set where it fails
 *
 * Returns: whether somebody can type here; %FALSE with %BERTH_ERROR_INVALID
 */
gboolean
berth_attend_add (GVariantDict *options, GError **error)
{
  g_autoptr (GVariant) given = g_variant_dict_lookup_value (options, "env", G_VARIANT_TYPE ("as"));
  g_autoptr (GPtrArray) env = g_ptr_array_new_with_free_func (g_free);
  g_autofree const char **texts = given != NULL ? g_variant_get_strv (given, NULL) : NULL;

  if (!berth_attend_check (error))
    return FALSE;
  for (guint i = 0; texts != NULL && texts[i] != NULL; i++)
    g_ptr_array_add (env, g_strdup (texts[i]));
  append_kind (env, "TERM");
  append_kind (env, "COLORTERM");
  g_variant_dict_insert_value (
      options, "env", g_variant_new_strv ((const char *const *)env->pdata, (gssize)env->len));
  if (!g_variant_dict_contains (options, "timeout_ms"))
    g_variant_dict_insert (options, "timeout_ms", "u", BERTH_TIMEOUT_MAX_MS);
  return TRUE;
}

static gboolean
resized_cb (gpointer user_data)
{
  guint rows;
  guint columns;

  berth_terminal_get_size (STDIN_FILENO, &columns, &rows);
  berth_client_resize (user_data, rows, columns);
  return G_SOURCE_CONTINUE;
}

static void
hung_up_cb (gpointer user_data)
{
  berth_client_interrupt (user_data, SIGHUP);
}

/**
 * berth_attend:
 * @client: a connection
 * @id: of a sandbox
 * @options: of a command, see berth_attend_add()
 * @error: set where it fails
 *
 * Runs it at our terminal, which is as it was when this returns.
 *
 * Returns: (transfer full) (nullable): its result
 */
GVariant *
berth_attend (BerthClient *client, const char *id, GVariantDict *options, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (BerthStreams) streams = berth_streams_new (BERTH_STREAMS_SHOWN, fds, options, error);
  g_autoptr (BerthKeys) keys = NULL;
  g_autoptr (GVariant) reply = NULL;
  guint resized_id;
  guint rows;
  guint columns;

  if (streams != NULL)
    keys = berth_keys_new (fds, options, hung_up_cb, client, error);
  if (keys == NULL || !berth_raw_begin (error))
    return NULL;
  berth_streams_start (streams);
  berth_keys_start (keys);
  resized_id = g_unix_signal_add (SIGWINCH, resized_cb, client);
  /* from now on each change is told: the sandbox may have been waited for meanwhile */
  berth_terminal_get_size (STDIN_FILENO, &columns, &rows);
  g_variant_dict_insert (options, "tty", "(uu)", rows, columns);
  reply = berth_client_call (client, "Exec",
                             g_variant_new ("(s@a{sv})", id, g_variant_dict_end (options)),
                             "(a{sv})", g_steal_pointer (&fds), error);
  g_source_remove (resized_id);
  berth_streams_finish (streams, berth_client_get_last_words_us (client), NULL);
  berth_raw_end (reply != NULL);
  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}
