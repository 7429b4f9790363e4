/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ours and the program's are one terminal: keys, size, kind. berthd gets pipes, never the terminal
 * itself, so nothing but what is shown can reach it from there. A program of a sandbox that stays
 * is begun in the background: however we go, it goes on, and somebody else may come. */
#include "plugin/cli/berth-cli-attend.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "agent/berth-protocol.h"
#include "plugin/cli/berth-cli-keys.h"
#include "plugin/cli/berth-cli-raw.h"
#include "plugin/cli/berth-cli-streams.h"
#include "plugin/cli/berth-cli-terminal.h"
#include "pool/berth-error.h"

/* From a program's hang-up to its end: it has 2 s until it is killed. */
#define SILENCE_MS (10u * 1000u)

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

/* Somebody at a program's terminal, from the first key to the last */
typedef struct
{
  BerthClient *client;
  const char *id;
  guint32 exec; /* in the background; 0: it is this call's, and ends with it */
  gboolean only_looks;
  gboolean has_left;
  guint silence_id; /* for a program whose end was asked for and is not told */
} Stay;

static gboolean
resized_cb (gpointer user_data)
{
  const Stay *stay = user_data;
  guint rows;
  guint columns;

  berth_terminal_get_size (STDIN_FILENO, &columns, &rows);
  berth_client_resize (stay->client, rows, columns);
  return G_SOURCE_CONTINUE;
}

static gboolean
silence_cb (gpointer user_data)
{
  Stay *stay = user_data;

  stay->silence_id = 0;
  berth_client_interrupt (stay->client, SIGHUP);
  return G_SOURCE_REMOVE;
}

/* A program in the background is told to end, and its end comes as any other. */
static void
stay_hang_up (Stay *stay)
{
  berth_client_tell (stay->client, "Signal", g_variant_new ("(suu)", stay->id, stay->exec, 0));
  stay->silence_id = g_timeout_add (SILENCE_MS, silence_cb, stay);
}

static void
way_cb (char way, gpointer user_data)
{
  Stay *stay = user_data;

  if (way == BERTH_KEYS_INTERRUPT)
    berth_client_interrupt (stay->client, SIGINT);
  else if (way == BERTH_KEYS_LEAVE)
    {
      stay->has_left = TRUE;
      berth_client_withdraw (stay->client);
    }
  else if (stay->exec == 0)
    berth_client_interrupt (stay->client, SIGHUP);
  else
    stay_hang_up (stay);
}

static GVariant *
stay_call (Stay *stay, GVariantDict *options, GUnixFDList *fds, GError **error)
{
  GVariant *given = g_variant_dict_end (options);
  g_autoptr (GVariant) reply = NULL;

  if (stay->exec == 0)
    reply = berth_client_call (stay->client, "Exec", g_variant_new ("(s@a{sv})", stay->id, given),
                               "(a{sv})", fds, error);
  else
    reply = berth_client_call (stay->client, "Attach",
                               g_variant_new ("(su@a{sv})", stay->id, stay->exec, given), "(a{sv})",
                               fds, error);
  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static BerthKeys *
stay_make_keys (Stay *stay, GUnixFDList *fds, GVariantDict *options, GError **error)
{
  if (stay->only_looks)
    return berth_keys_new_for_looking (way_cb, stay);
  return berth_keys_new (fds, options, stay->exec != 0 ? ".d" : ".", way_cb, stay, error);
}

static void
stay_end (Stay *stay, BerthStreams *streams, guint resized_id, gboolean is_clean)
{
  g_source_remove (resized_id);
  g_clear_handle_id (&stay->silence_id, g_source_remove);
  if (berth_streams_has_asked (streams))
    berth_raw_swallow_answers ();
  else if (stay->only_looks)
    tcflush (STDIN_FILENO, TCIFLUSH);
  berth_raw_end (is_clean);
}

/* From its beginning to its end the terminal is the program's. */
static GVariant *
stay (Stay *stay, GVariantDict *options, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  BerthStreamsKind kinds = BERTH_STREAMS_SHOWN
                           | (stay->only_looks ? BERTH_STREAMS_UNANSWERED : BERTH_STREAMS_ANSWERED);
  g_autoptr (BerthStreams) streams = berth_streams_new (kinds, fds, options, error);
  g_autoptr (BerthKeys) keys = NULL;
  g_autoptr (GVariant) result = NULL;
  guint resized_id;
  guint rows;
  guint columns;

  if (streams != NULL)
    keys = stay_make_keys (stay, fds, options, error);
  if (keys == NULL || !berth_raw_begin (error))
    return NULL;
  berth_streams_start (streams);
  berth_keys_start (keys);
  resized_id = g_unix_signal_add (SIGWINCH, resized_cb, stay);
  /* from now on each change is told: the sandbox may have been waited for meanwhile */
  berth_terminal_get_size (STDIN_FILENO, &columns, &rows);
  if (!stay->only_looks)
    g_variant_dict_insert (options, "tty", "(uu)", rows, columns);
  result = stay_call (stay, options, g_steal_pointer (&fds), error);
  berth_streams_finish (streams, berth_client_get_last_words_us (stay->client), NULL);
  stay_end (stay, streams, resized_id, result != NULL);
  return g_steal_pointer (&result);
}

/**
 * berth_attend:
 * @client: a connection
 * @id: of a sandbox
 * @options: of a command, see berth_attend_add()
 * @error: set where it fails
 *
 * Runs it at our terminal, which is as it was when this returns. It ends with us.
 *
 * Returns: (transfer full) (nullable): its result
 */
GVariant *
berth_attend (BerthClient *client, const char *id, GVariantDict *options, GError **error)
{
  Stay here = { .client = client, .id = id };

  return stay (&here, options, error);
}

/* The program goes on, and whoever reads this wants to know how to see it again. */
static void
explain_loss (const Stay *stay, GError **error)
{
  if (error == NULL || g_error_matches (*error, BERTH_ERROR, BERTH_ERROR_INVALID)
      || g_error_matches (*error, BERTH_ERROR, BERTH_ERROR_GONE))
    return;
  g_prefix_error (error, "the program goes on, and 'berth attach %s %u' shows it again: ", stay->id,
                  stay->exec);
}

/* (transfer full): of a program that goes on, see berth_report_left() */
static GVariant *
new_left_result (const Stay *stay)
{
  g_autofree char *text = g_strdup_printf (
      "left: the program goes on, and 'berth attach %s %u' shows it again", stay->id, stay->exec);

  return g_variant_ref_sink (g_variant_new_parsed ("{'running': <true>, 'note': <%s>}", text));
}

/**
 * berth_attend_to:
 * @client: a connection
 * @id: of a sandbox
 * @exec: a terminal in its background
 * @only_looks: what is typed here goes nowhere
 * @error: set where it fails
 *
 * Shows it at our terminal, which is as it was when this returns: when the program has ended, or
 * when it was left, and goes on.
 *
 * Returns: (transfer full) (nullable): as Attach answers
 */
GVariant *
berth_attend_to (BerthClient *client, const char *id, guint32 exec, gboolean only_looks,
                 GError **error)
{
  Stay here = { .client = client, .id = id, .exec = exec, .only_looks = only_looks };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GError) failure = NULL;
  GVariant *result;

  if (!berth_attend_check (error))
    return NULL;
  g_variant_dict_insert (&options, "follow", "b", TRUE);
  result = stay (&here, &options, &failure);
  if (result != NULL)
    return result;
  if (here.has_left && g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return new_left_result (&here);
  explain_loss (&here, &failure);
  g_propagate_error (error, g_steal_pointer (&failure));
  return NULL;
}

/**
 * berth_attend_new:
 * @client: a connection
 * @id: of a sandbox
 * @options: of a command, see berth_attend_add()
 * @error: set where it fails
 *
 * Begins it in the background, where it goes on without us, and shows it as berth_attend_to() does.
 * One of a sandbox whose agent is too old for that ends with us.
 *
 * Returns: (transfer full) (nullable): as Attach or Exec answers
 */
GVariant *
berth_attend_new (BerthClient *client, const char *id, GVariantDict *options, GError **error)
{
  g_autoptr (GVariant) given = g_variant_ref_sink (g_variant_dict_end (options));
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) failure = NULL;
  guint32 exec;
  guint rows;
  guint columns;

  berth_terminal_get_size (STDIN_FILENO, &columns, &rows);
  g_variant_dict_init (options, given);
  g_variant_dict_insert (options, "tty", "(uu)", rows, columns);
  reply = berth_client_call (client, "Start",
                             g_variant_new ("(s@a{sv})", id, g_variant_dict_end (options)), "(u)",
                             NULL, &failure);
  g_variant_dict_init (options, given);
  if (g_error_matches (failure, BERTH_ERROR, BERTH_ERROR_CONFIG))
    return berth_attend (client, id, options, error);
  if (reply == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return NULL;
    }
  g_variant_get (reply, "(u)", &exec);
  return berth_attend_to (client, id, exec, FALSE, error);
}
