/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* top: what status and list show, again and again. */
#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-screen.h"
#include "plugin/cli/berth-cli-terminal.h"
#include "plugin/cli/berth-cli-verbs.h"

const BerthVerbHelp berth_top_help = {
  .synopsis = "",
  .summary = "Shows what 'berth status' and 'berth list' show, live. 'q' or Ctrl-C ends it.",
  .description = "Examples:\n"
                 "  berth top -d 5\n"
                 "  berth top -b -n 60 > an-hour.txt -d 60",
  .takes = BERTH_TAKES_ROUNDS,
  .max_arguments = 0,
};

typedef struct
{
  BerthClient *client;
  BerthScreen *screen; /* NULL: plain text, one below the other */
  gint64 delay_ms;
  guint rounds; /* 0: without end */
  gboolean is_over;
} Top;

static void
top_clear (Top *self)
{
  berth_screen_close (self->screen);
  berth_client_free (self->client);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Top, top_clear)

static char *
dup_look (BerthClient *client, GError **error)
{
  g_autoptr (GVariant) status = berth_client_call (client, "Status", NULL, "(a{sv})", NULL, error);
  g_autoptr (GVariant) vms
      = status != NULL ? berth_client_call (client, "List", NULL, "(aa{sv})", NULL, error) : NULL;
  g_autoptr (GVariant) status_value = NULL;
  g_autoptr (GVariant) vms_value = NULL;
  g_autofree char *status_text = NULL;
  g_autofree char *vms_text = NULL;

  if (vms == NULL)
    return NULL;
  status_value = g_variant_get_child_value (status, 0);
  vms_value = g_variant_get_child_value (vms, 0);
  status_text = berth_verb_dup_status_text (status_value, FALSE);
  vms_text = berth_verb_dup_list_text (vms_value);
  return g_strconcat (status_text, "\n", vms_text, NULL);
}

static gboolean
key_cb (int fd, GIOCondition condition, gpointer user_data)
{
  Top *self = user_data;
  char key = 'q'; /* a terminal that is gone wants no more looks */

  self->is_over = read (fd, &key, 1) < 0 || key == 'q' || self->is_over;
  return G_SOURCE_CONTINUE;
}

static int
show (Top *self, const char *text, gboolean is_first)
{
  g_autofree char *below = NULL;

  if (self->screen == NULL)
    {
      below = g_strconcat (is_first ? "" : "\n", text, NULL);
      return berth_report_text (below);
    }
  berth_screen_show (self->screen, text);
  return BERTH_EXIT_OK;
}

static int
look_again_and_again (Top *self, GError **error)
{
  int status = BERTH_EXIT_OK;

  for (guint round = 1; status == BERTH_EXIT_OK; round++)
    {
      g_autofree char *text = dup_look (self->client, error);

      if (text == NULL)
        return BERTH_EXIT_FAILED;
      status = show (self, text, round == 1);
      if (round == self->rounds)
        return status;
      berth_client_pause (self->client, (guint)self->delay_ms, &self->is_over);
      if (self->is_over || berth_client_get_signal (self->client) != 0)
        return status;
    }
  return status;
}

/* Ctrl-C is how it ends, and no failure. */
static int
run (Top *self, GError **error)
{
  guint key_id = 0;
  int status;

  if (self->screen != NULL && isatty (STDIN_FILENO))
    key_id = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, key_cb, self);
  status = look_again_and_again (self, error);
  g_clear_handle_id (&key_id, g_source_remove);
  if (berth_client_get_signal (self->client) == 0)
    return status;
  g_clear_error (error);
  return berth_client_get_signal (self->client) == SIGINT ? BERTH_EXIT_OK
                                                          : BERTH_EXIT_SIGNAL_BASE + SIGTERM;
}

/**
 * berth_verb_top:
 * @argc: of @argv
 * @argv: options
 *
 * Returns: the exit status
 */
int
berth_verb_top (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_auto (Top) self = { 0 };
  g_autoptr (GError) error = NULL;
  int status;

  if (!berth_option_values_parse (&values, &berth_top_help, &argc, &argv, &error)
      || !berth_option_values_get_rounds (&values, &self.delay_ms, &self.rounds, &error))
    return berth_report_error (error);
  self.client = berth_client_new (values.socket, &error);
  if (self.client == NULL)
    return berth_report_error (error);
  if (!values.batch && berth_terminal_can_erase (STDOUT_FILENO))
    self.screen = berth_screen_open ();
  status = run (&self, &error);
  g_clear_pointer (&self.screen, berth_screen_close); /* what is said now is to be seen */
  return error != NULL ? berth_report_error (error) : status;
}
