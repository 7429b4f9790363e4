/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client that is connected already: how long a run takes to its first byte, and to its answer.
 *
 * Usage: bench-client SOCKET RUNS PAUSE_MS. Prints a number a line: NAME MILLISECONDS. */
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH "/org/berth/Berth1"
#define INTERFACE "org.berth.Berth1.Manager"

static GDBusConnection *
connect_to (const char *path)
{
  g_autofree char *address = g_strdup_printf ("unix:path=%s", path);
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &error);

  if (connection == NULL)
    g_error ("%s", error->message);
  return connection;
}

typedef struct
{
  int fd;
  double first_ms;
} Reader;

/* on a thread of its own, so that the first byte is seen when it comes */
static gpointer
reader_main (gpointer data)
{
  Reader *reader = data;
  char byte[64];

  if (read (reader->fd, byte, sizeof byte) > 0)
    reader->first_ms = (double)g_get_monotonic_time () / 1000;
  while (read (reader->fd, byte, sizeof byte) > 0)
    ;
  return NULL;
}

static GVariant *
make_options (void)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&builder, "{sv}", "code",
                         g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, "print(1)", 8, 1));
  g_variant_builder_add (&builder, "{sv}", "stdout", g_variant_new_handle (0));
  return g_variant_new ("(a{sv})", &builder);
}

static void
run_once (GDBusConnection *connection)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) result = NULL;
  const char *start = "?";
  Reader reader = { 0 };
  int ends[2];
  GThread *thread;
  double begin;

  if (pipe (ends) != 0)
    g_error ("pipe");
  g_unix_fd_list_append (fds, ends[1], NULL);
  close (ends[1]);
  reader.fd = ends[0];
  thread = g_thread_new ("reader", reader_main, &reader);
  begin = (double)g_get_monotonic_time () / 1000;
  reply = g_dbus_connection_call_with_unix_fd_list_sync (
      connection, NULL, PATH, INTERFACE, "Run", make_options (), G_VARIANT_TYPE ("(a{sv})"),
      G_DBUS_CALL_FLAGS_NONE, G_MAXINT, fds, NULL, NULL, &error);
  if (reply == NULL)
    g_error ("%s", error->message);
  g_clear_object (&fds);
  printf ("answer %.3f\n", (double)g_get_monotonic_time () / 1000 - begin);
  g_thread_join (thread);
  close (ends[0]);
  result = g_variant_get_child_value (reply, 0);
  g_variant_lookup (result, "start", "&s", &start);
  printf ("first-byte %.3f\nstart %s\n", reader.first_ms - begin, start);
}

int
main (int argc, char **argv)
{
  g_autoptr (GDBusConnection) connection = NULL;

  if (argc != 4)
    return 2;
  connection = connect_to (argv[1]);
  for (int i = atoi (argv[2]); i > 0; i--)
    {
      run_once (connection);
      g_usleep ((gulong)atoi (argv[3]) * 1000);
    }
  return 0;
}
