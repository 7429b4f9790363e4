/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which berthd is asked, and how a call to it ends: by its answer, by berthd's end, or by a signal,
 * which closes the connection and so withdraws the request. */
#include "plugin/cli/berth-cli-client.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-raw.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/bus/berth-bus-failure.h"
#include "plugin/bus/berth-bus-names.h"
#include "plugin/bus/berth-dial.h"

/* After a signal: how long what berthd has sent already is waited for */
#define LAST_WORDS_US (3 * G_USEC_PER_SEC)

struct _BerthClient
{
  GDBusConnection *connection;
  BerthProgress *progress; /* nullable, borrowed */
  int signal;              /* that ended it, 0 for none */
  guint32 serial;          /* of the last call */
  guint signal_ids[2];
};

typedef struct
{
  BerthClient *client;
  gboolean done;
  GVariant *reply;
  GError *error;
} Pending;

/**
 * berth_client_interrupt:
 * @self: a connection
 * @number: of a signal
 *
 * Ends it, as that signal does.
 */
void
berth_client_interrupt (BerthClient *self, int number)
{
  berth_progress_end (self->progress);
  if (self->signal != 0)
    {
      berth_raw_restore ();
      _exit (BERTH_EXIT_SIGNAL_BASE + number);
    }
  self->signal = number;
  /* berthd sees the end at once, withdraws a waiting request and ends a running program */
  g_socket_shutdown (g_socket_connection_get_socket (
                         G_SOCKET_CONNECTION (g_dbus_connection_get_stream (self->connection))),
                     TRUE, TRUE, NULL);
}

static gboolean
interrupt_cb (gpointer user_data)
{
  berth_client_interrupt (user_data, SIGINT);
  return G_SOURCE_CONTINUE;
}

static gboolean
terminate_cb (gpointer user_data)
{
  berth_client_interrupt (user_data, SIGTERM);
  return G_SOURCE_CONTINUE;
}

/**
 * berth_client_new:
 * @socket_path: (nullable): what the caller chose; else BERTH_SOCKET, else the defaults
 *
 * Returns: (transfer full) (nullable): a connection to berthd
 */
BerthClient *
berth_client_new (const char *socket_path, GError **error)
{
  g_autoptr (BerthClient) self = g_new0 (BerthClient, 1);

  self->connection = berth_dial (socket_path, "--socket", error);
  if (self->connection == NULL)
    return NULL;
  self->signal_ids[0] = g_unix_signal_add (SIGINT, interrupt_cb, self);
  self->signal_ids[1] = g_unix_signal_add (SIGTERM, terminate_cb, self);
  return g_steal_pointer (&self);
}

/**
 * berth_client_free:
 * @self: (transfer full) (nullable): a connection
 */
void
berth_client_free (BerthClient *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (self->signal_ids); i++)
    g_clear_handle_id (&self->signal_ids[i], g_source_remove);
  g_clear_object (&self->connection);
  g_free (self);
}

/**
 * berth_client_set_progress:
 * @self: a connection
 * @progress: (nullable): told of every call that waits for a VM; outlives @self
 */
void
berth_client_set_progress (BerthClient *self, BerthProgress *progress)
{
  self->progress = progress;
}

static void
called_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Pending *pending = user_data;

  pending->reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source),
                                                                    NULL, result, &pending->error);
  pending->done = TRUE;
}

/* (transfer full) */
static GError *
translate_error (BerthClient *self, GError *failure, gboolean ran_code)
{
  g_autoptr (GError) owned = failure;

  if (self->signal != 0)
    return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                "interrupted: the request is withdrawn");
  if (g_dbus_error_is_remote_error (owned))
    return berth_bus_failure_of_answer (g_steal_pointer (&owned));
  return berth_bus_failure_of_silence (self->connection, owned, ran_code);
}

static GVariant *
client_call (BerthClient *self, const char *interface, const char *method, GVariant *arguments,
             const char *reply_type, GUnixFDList *fds, GError **error)
{
  Pending pending = { .client = self };
  gboolean runs_code = strcmp (method, "Run") == 0 || strcmp (method, "Exec") == 0
                       || strcmp (method, "Start") == 0;

  g_dbus_connection_call_with_unix_fd_list (self->connection, NULL, BERTH_BUS_PATH, interface,
                                            method, arguments, G_VARIANT_TYPE (reply_type),
                                            G_DBUS_CALL_FLAGS_NONE, G_MAXINT, fds, NULL, called_cb,
                                            &pending);
  self->serial = g_dbus_connection_get_last_serial (self->connection);
  g_clear_object (&fds);
  if (strcmp (method, "Run") == 0 || strcmp (method, "Create") == 0)
    berth_progress_watch (self->progress, self->connection);
  while (!pending.done)
    g_main_context_iteration (NULL, TRUE);
  berth_progress_unwatch (self->progress);
  if (pending.reply == NULL)
    g_propagate_error (error, translate_error (self, pending.error, runs_code));
  return pending.reply;
}

/**
 * berth_client_call:
 * @self: a connection
 * @method: of the manager
 * @arguments: (nullable): sunk if it floats
 * @reply_type: of the whole answer
 * @fds: (transfer full) (nullable): for the handles in @arguments; closed here once they are sent,
 *   so that their pipes end when berthd closes its copies
 *
 * Runs the default main context until the answer is there, however long that takes.
 *
 * Returns: (transfer full) (nullable): the answer; %NULL with berthd's own error, or
 * %G_IO_ERROR_CANCELLED after a signal
 */
GVariant *
berth_client_call (BerthClient *self, const char *method, GVariant *arguments,
                   const char *reply_type, GUnixFDList *fds, GError **error)
{
  return client_call (self, BERTH_BUS_INTERFACE, method, arguments, reply_type, fds, error);
}

/**
 * berth_client_call_async:
 * @self: a connection
 * @method: of the manager: none that runs code
 * @arguments: (nullable): sunk if it floats
 * @reply_type: of the whole answer
 * @fds: (transfer full): as of berth_client_call()
 * @callback: called from the default main context; its first argument is the one of
 *   berth_client_call_finish()
 * @user_data: for @callback
 *
 * One of several calls that wait side by side.
 */
void
berth_client_call_async (BerthClient *self, const char *method, GVariant *arguments,
                         const char *reply_type, GUnixFDList *fds, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GUnixFDList) owned = fds;

  g_dbus_connection_call_with_unix_fd_list (self->connection, NULL, BERTH_BUS_PATH,
                                            BERTH_BUS_INTERFACE, method, arguments,
                                            G_VARIANT_TYPE (reply_type), G_DBUS_CALL_FLAGS_NONE,
                                            G_MAXINT, owned, NULL, callback, user_data);
}

/**
 * berth_client_call_finish:
 * @self: a connection
 * @source: as the callback has it
 * @result: of berth_client_call_async()
 *
 * Returns: (transfer full) (nullable): as of berth_client_call()
 */
GVariant *
berth_client_call_finish (BerthClient *self, GObject *source, GAsyncResult *result, GError **error)
{
  GError *failure = NULL;
  GVariant *reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source),
                                                                     NULL, result, &failure);

  if (reply == NULL)
    g_propagate_error (error, translate_error (self, failure, FALSE));
  return reply;
}

/**
 * berth_client_call_admin:
 * @self: a connection
 * @method: of the interface for administrators
 * @arguments: (nullable): sunk if it floats
 * @reply_type: of the whole answer
 *
 * As berth_client_call().
 *
 * Returns: (transfer full) (nullable): the answer
 */
GVariant *
berth_client_call_admin (BerthClient *self, const char *method, GVariant *arguments,
                         const char *reply_type, GError **error)
{
  return client_call (self, BERTH_BUS_ADMIN_INTERFACE, method, arguments, reply_type, NULL, error);
}

/**
 * berth_client_get_signal:
 * @self: a connection
 *
 * Returns: the signal that ended it, 0 for none
 */
int
berth_client_get_signal (BerthClient *self)
{
  return self->signal;
}

/**
 * berth_client_get_last_words_us:
 * @self: a connection whose call has ended
 *
 * Returns: how long what the call wrote is waited for; negative: until all of it is there
 */
gint64
berth_client_get_last_words_us (BerthClient *self)
{
  return self->signal != 0 ? LAST_WORDS_US : -1;
}

/**
 * berth_client_report:
 * @self: (nullable): a connection, where it came to one
 * @error: (nullable): what went wrong, which is told
 *
 * Returns: the exit status: of the signal that ended it, or of @error
 */
int
berth_client_report (BerthClient *self, const GError *error)
{
  int status = error != NULL ? berth_report_error (error) : BERTH_EXIT_OK;

  return self != NULL && self->signal != 0 ? BERTH_EXIT_SIGNAL_BASE + self->signal : status;
}

static gboolean
time_cb (gpointer user_data)
{
  *(gboolean *)user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

/**
 * berth_client_pause:
 * @self: a connection
 * @delay_ms: milliseconds
 * @is_over: (nullable): what ends it sooner, set in the default main context
 *
 * Waits that long, or until a signal ends @self.
 */
void
berth_client_pause (BerthClient *self, guint delay_ms, const gboolean *is_over)
{
  gboolean is_time = FALSE;
  guint timer_id = g_timeout_add (delay_ms, time_cb, &is_time);

  while (!is_time && (is_over == NULL || !*is_over) && self->signal == 0)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer_id);
}

/**
 * berth_client_tell:
 * @self: a connection
 * @method: of the manager
 * @arguments: sunk if it floats
 *
 * Calls it while another call waits; nobody waits for its answer.
 */
void
berth_client_tell (BerthClient *self, const char *method, GVariant *arguments)
{
  g_dbus_connection_call (self->connection, NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, method,
                          arguments, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
}

/**
 * berth_client_withdraw:
 * @self: a connection
 *
 * Ends its call, which is answered with %G_IO_ERROR_CANCELLED.
 */
void
berth_client_withdraw (BerthClient *self)
{
  berth_client_tell (self, "Cancel", g_variant_new ("(u)", self->serial));
}

/**
 * berth_client_resize:
 * @self: a connection whose call runs a program with a terminal
 * @rows: of that
 * @columns: of that
 *
 * Tells berthd; nobody waits for an answer.
 */
void
berth_client_resize (BerthClient *self, guint rows, guint columns)
{
  berth_client_tell (self, "Resize", g_variant_new ("(uuu)", self->serial, rows, columns));
}
