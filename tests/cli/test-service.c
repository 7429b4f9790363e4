/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what berthd's D-Bus service does with what a client sends: options, descriptors, floods,
 * disconnects. The real berthd on a host without VMs (tests/host), BERTHD in the environment. */
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "berthd-process.h"
#include "plugin/model/berth-limits.h"
#include "plugin/bus/berth-bus-names.h"
#include "pool/berth-error.h"
#include "pool/berth-request.h"

#define LIMIT_S 30
/* of one test with all its waits: a berthd that never answers ends the test, and not the suite */
#define TEST_LIMIT_S 60

typedef struct
{
  BerthdProcess berthd;
  char *folder;
  char *path;
  GDBusConnection *connection;
} Fixture;

static GSocketConnection *
dial (Fixture *fixture)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (fixture->path);
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
  g_autoptr (GError) error = NULL;

  g_socket_set_timeout (socket, LIMIT_S);
  g_socket_connect (socket, address, NULL, &error);
  g_assert_no_error (error);
  return g_socket_connection_factory_create_connection (socket);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  alarm (TEST_LIMIT_S);
  fixture->folder = g_dir_make_tmp ("berth-service-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "s", NULL);
  berthd_process_start (&fixture->berthd, fixture->path);
  fixture->connection = berthd_process_connect (fixture->path);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->connection);
  g_assert_true (berthd_process_stop (&fixture->berthd, SIGTERM));
  alarm (0);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
}

static gboolean
bytes_cb (const GMatchInfo *match, GString *text, gpointer user_data)
{
  g_autofree char *code = g_match_info_fetch (match, 1);

  g_string_append (text, "[");
  for (const char *at = code; *at != '\0'; at++)
    g_string_append_printf (text, "%sbyte 0x%02x", at == code ? "" : ", ", (guchar)*at);
  g_string_append (text, "]");
  return FALSE;
}

/* (transfer full): GVariant's text format, where b'x' has no NUL at its end */
static GVariant *
parse (const char *text)
{
  g_autoptr (GRegex) regex = g_regex_new ("\\bb'([^']+)'", 0, 0, NULL);
  g_autofree char *expanded = g_regex_replace_eval (regex, text, -1, 0, 0, bytes_cb, NULL, NULL);
  g_autoptr (GError) error = NULL;
  GVariant *value = g_variant_parse (NULL, expanded, NULL, NULL, &error);

  g_assert_no_error (error);
  return value;
}

static GVariant *
call (GDBusConnection *connection, const char *method, GVariant *arguments, GUnixFDList *fds,
      GError **error)
{
  return g_dbus_connection_call_with_unix_fd_list_sync (
      connection, NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, method, arguments, NULL,
      G_DBUS_CALL_FLAGS_NONE, LIMIT_S * 1000, fds, NULL, NULL, error);
}

static void
assert_refused (Fixture *fixture, const char *method, const char *arguments, GUnixFDList *fds,
                const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) parsed = parse (arguments);
  g_autoptr (GVariant) reply = call (fixture->connection, method, parsed, fds, &error);

  g_assert_null (reply);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  if (strstr (error->message, part) == NULL)
    g_error ("'%s' is not in '%s'", part, error->message);
}

static GVariant *
call_ok (GDBusConnection *connection, const char *method, const char *arguments, GUnixFDList *fds)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) parsed = arguments != NULL ? parse (arguments) : NULL;
  GVariant *reply = call (connection, method, parsed, fds, &error);

  g_assert_no_error (error);
  return reply;
}

static void
test_options (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *method;
    const char *arguments;
    const char *part;
  } mistakes[] = {
    { "Run", "({'code': <b'x'>, 'templat': <'python'>},)", "\"templat\" is unknown" },
    { "Run", "(@a{sv} {},)", "\"code\"" },
    { "Run", "({'code': <'x'>},)", "\"code\"" },
    { "Run", "({'code': <@ay []>},)", "nothing to run" },
    { "Run", "({'code': <b'x'>, 'template': <1>},)", "\"template\": is of type 'i', must be 's'" },
    { "Run", "({'code': <b'x'>, 'template': <'a/b'>},)", "\"template\"" },
    { "Run", "({'code': <b'x'>, 'tenant': <''>},)", "\"tenant\"" },
    { "Run", "({'code': <b'x'>, 'task': <'a b'>},)", "\"task\"" },
    { "Run", "({'code': <b'x'>, 'memory_mb': <uint32 127>},)", "\"memory_mb\"" },
    { "Run", "({'code': <b'x'>, 'memory_mb': <uint32 4294967295>},)", "\"memory_mb\"" },
    { "Run", "({'code': <b'x'>, 'wait_ms': <int64 -2>},)", "\"wait_ms\"" },
    { "Run", "({'code': <b'x'>, 'wait_ms': <int64 9223372036854775807>},)", "\"wait_ms\"" },
    { "Run", "({'code': <b'x'>, 'timeout_ms': <uint32 999>},)", "timeout" },
    { "Run", "({'code': <b'x'>, 'language': <'cobol'>},)", "language" },
    { "Run", "({'code': <b'x'>, 'env': <['A']>},)", "environment" },
    { "Run", "({'code': <b'x'>, 'stdin': <handle 0>},)", "\"stdin\": the message carries no" },
    { "Exec", "('id', {'code': <b'x'>, 'template': <'python'>})", "\"template\" is unknown" },
    { "Exec", "('', {'code': <b'x'>})", "sandbox id" },
    { "Exec", "('../x', {'code': <b'x'>})", "sandbox id" },
    { "Create", "({'code': <b'x'>},)", "\"code\" is unknown" },
    { "Create", "({'env': <['A=1']>},)", "\"env\" is unknown" },
    { "Create", "({'boot_log': <handle 0>},)", "\"boot_log\": the message carries no" },
    { "Exec", "('id', {'code': <b'x'>, 'boot_log': <handle 0>})", "\"boot_log\" is unknown" },
    { "Destroy", "('a b',)", "sandbox id" },
    { "Fork", "('a b', @a{sv} {})", "sandbox id" },
    { "Fork", "('id', {'count': <uint32 0>})", "\"count\"" },
    { "Fork", "('id', {'count': <uint32 65>})", "\"count\"" },
    { "Fork", "('id', {'count': <1>})", "\"count\": is of type 'i', must be 'u'" },
    { "Fork", "('id', {'wait_ms': <int64 -2>})", "\"wait_ms\"" },
    { "Fork", "('id', {'wait_ms': <int64 9223372036854775807>})", "\"wait_ms\"" },
    { "Fork", "('id', {'template': <'python'>})", "\"template\" is unknown" },
    { "Create", "({'attached': <1>},)", "\"attached\": is of type 'i', must be 'b'" },
    { "Run", "({'code': <b'x'>, 'attached': <true>},)", "\"attached\" is unknown" },
    { "Put", "('id', b'f', {'size': <uint64 1>})", "\"data\": missing" },
    { "Put", "('id', b'f', {'data': <handle 0>, 'size': <uint64 1>})", "carries no descriptor" },
    { "Put", "('id', b'f', {'directory': <true>, 'size': <uint64 1>})", "a folder has no" },
    { "Put", "('id', b'f', {'directory': <true>, 'mode': <uint32 512>})", "0777" },
    { "Put", "('id', b'f', {'directory': <true>, 'code': <b'x'>})", "\"code\" is unknown" },
    { "Put", "('id', b'f', {'limit': <uint32 1>})", "\"limit\" is unknown" },
    { "Put", "('id', b'../f', {'directory': <true>})", "leaves" },
    { "Put", "('id', [byte 0x61, 0x00, 0x62], {'directory': <true>})", "NUL" },
    { "Put", "('id', b'a\tb', {'directory': <true>})", "control" },
    { "Put", "('id', @ay [], {'directory': <true>})", "empty" },
    { "Put", "('../id', b'f', {'directory': <true>})", "sandbox id" },
    { "Get", "('id', b'f', @a{sv} {})", "\"data\": missing" },
    { "Get", "('id', b'f', {'size': <uint64 1>})", "\"size\" is unknown" },
    { "Get", "('id', b'f', {'data': <1>})", "\"data\": is of type 'i', must be 'h'" },
    { "Ls", "('id', b'f', {'limit': <uint32 0>})", "give 1 to 1000" },
    { "Ls", "('id', b'f', {'limit': <uint32 1001>})", "give 1 to 1000" },
    { "Ls", "('id', b'f', {'after': <b'a/b'>})", "no entry's name" },
    { "Ls", "('id', b'f', {'after': <'a'>})", "must be 'ay'" },
    { "Ls", "('id', b'f', {'data': <handle 0>})", "\"data\" is unknown" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (mistakes); i++)
    assert_refused (fixture, mistakes[i].method, mistakes[i].arguments, NULL, mistakes[i].part);
}

/* What is wrong is quoted, and cut where it is long: within a character, too, the answer is a text.
 */
static void
test_long_texts (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *method;
    const char *arguments; /* TEXT stands for what is long */
    const char *part;
  } mistakes[] = {
    { "Exec", "('TEXT', {'code': <b'x'>})", "sandbox id" },
    { "Destroy", "('TEXT',)", "sandbox id" },
    { "Ls", "('TEXT', b'f', @a{sv} {})", "sandbox id" },
    { "Ls", "('id', b'f', {'TEXT': <1>})", "is unknown to this method" },
    { "Run", "({'code': <b'x'>, 'TEXT': <1>},)", "is unknown to this method" },
    { "Run", "({'code': <b'x'>, 'tenant': <'TEXT'>},)", "\"tenant\"" },
    { "Run", "({'code': <b'x'>, 'template': <'TEXT'>},)", "\"template\"" },
    { "Run", "({'code': <b'x'>, 'language': <'TEXT'>},)", "language" },
    { "Run", "({'code': <b'x'>, 'suffix': <'TEXT'>},)", "suffix" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (mistakes); i++)
    for (guint shift = 0; shift < 3; shift++)
      {
        g_autoptr (GString) text = g_string_new ("xyz" + shift);
        g_autoptr (GString) arguments = g_string_new (mistakes[i].arguments);

        for (guint j = 0; j < 100; j++)
          g_string_append (text, "\u20ac"); /* three bytes */
        g_string_replace (arguments, "TEXT", text->str, 0);
        assert_refused (fixture, mistakes[i].method, arguments->str, NULL, mistakes[i].part);
      }
}

static void
test_long_names (Fixture *fixture, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (BERTH_REQUEST_NAME_MAX, 'a');
  g_autofree char *good = g_strdup_printf ("({'code': <b'exit 0'>, 'tenant': <'%s'>},)", longest);
  g_autofree char *bad = g_strdup_printf ("({'code': <b'exit 0'>, 'tenant': <'a%s'>},)", longest);
  g_autoptr (GVariant) reply = call_ok (fixture->connection, "Run", good, NULL);

  assert_refused (fixture, "Run", bad, NULL, "\"tenant\"");
}

static void
test_descriptors (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  int pipe_ends[2];
  int file = open ("/dev/null", O_RDWR | O_CLOEXEC);

  g_assert_true (g_unix_open_pipe (pipe_ends, FD_CLOEXEC, NULL));
  g_unix_fd_list_append (fds, pipe_ends[0], NULL);
  g_unix_fd_list_append (fds, pipe_ends[1], NULL);
  g_unix_fd_list_append (fds, file, NULL);
  assert_refused (fixture, "Run", "({'code': <b'x'>, 'stdout': <handle 2>},)", fds,
                  "\"stdout\": the descriptor is neither a pipe nor a socket");
  assert_refused (fixture, "Run", "({'code': <b'x'>, 'stdout': <handle 0>},)", fds,
                  "not open for writing");
  assert_refused (fixture, "Run", "({'code': <b'x'>, 'stdin': <handle 1>},)", fds,
                  "not open for reading");
  assert_refused (fixture, "Run", "({'code': <b'x'>, 'stderr': <handle 3>},)", fds,
                  "no descriptor 3");
  assert_refused (fixture, "Run", "({'code': <b'x'>, 'stderr': <handle -1>},)", fds,
                  "no descriptor -1");
  close (pipe_ends[0]);
  close (pipe_ends[1]);
  close (file);
}

static void
test_streams_over_a_socket (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GVariant) reply = NULL;
  char buffer[16];
  int ends[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  g_unix_fd_list_append (fds, ends[1], NULL);
  close (ends[1]);
  g_assert_cmpint (write (ends[0], "question\n", 9), ==, 9);
  shutdown (ends[0], SHUT_WR);
  reply = call_ok (fixture->connection, "Run",
                   "({'code': <b'cat; echo e >&2'>, 'stdin': <handle 0>, 'stdout': <handle 0>},)",
                   fds);
  g_clear_object (&fds);
  g_assert_cmpint (read (ends[0], buffer, sizeof buffer), ==, 9);
  g_assert_cmpint (read (ends[0], buffer, sizeof buffer), ==, 0);
  close (ends[0]);
}

static char *
create (GDBusConnection *connection)
{
  g_autoptr (GVariant) reply = call_ok (connection, "Create", "(@a{sv} {},)", NULL);
  char *id = NULL;

  g_variant_get (reply, "(s)", &id);
  return id;
}

static GVariant *
call_file (Fixture *fixture, const char *method, const char *id, const char *path, int fd,
           const char *options, GError **error)
{
  g_autofree char *text = g_strdup_printf ("('%s', b'%s', %s)", id, path, options);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GVariant) parsed = parse (text);

  if (fd >= 0)
    {
      g_unix_fd_list_append (fds, fd, NULL);
      close (fd);
    }
  return call (fixture->connection, method, parsed, fds, error);
}

static void
put_text (Fixture *fixture, const char *id, const char *path, const char *text)
{
  g_autofree char *options
      = g_strdup_printf ("{'data': <handle 0>, 'size': <uint64 %zu>}", strlen (text));
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_assert_cmpint (write (ends[1], text, strlen (text)), ==, (gssize)strlen (text));
  close (ends[1]);
  reply = call_file (fixture, "Put", id, path, ends[0], options, &error);
  g_assert_no_error (error);
}

static void
get_text (Fixture *fixture, const char *id, const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  char buffer[100] = "";
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  reply = call_file (fixture, "Get", id, path, ends[1], "{'data': <handle 0>}", &error);
  g_assert_no_error (error);
  g_assert_cmpint (read (ends[0], buffer, sizeof buffer), ==, (gssize)strlen (text));
  g_assert_cmpstr (buffer, ==, text);
  g_assert_cmpint (read (ends[0], buffer, sizeof buffer), ==, 0);
  close (ends[0]);
}

static void
test_files (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture->connection);
  g_autofree char *names = NULL;
  g_autoptr (GVariant) listing = NULL;
  g_autoptr (GError) error = NULL;

  put_text (fixture, id, "folder/file", "text\n");
  get_text (fixture, id, "folder/../folder/file", "text\n");
  listing = call_file (fixture, "Ls", id, ".", -1, "@a{sv} {}", &error);
  g_assert_no_error (error);
  names = g_variant_print (listing, FALSE);
  g_assert_nonnull (strstr (names, "'name': <b'folder'>, 'type': <'directory'>, 'mode': <"));
  g_assert_nonnull (strstr (names, "'allocated': <uint64 "));
  g_assert_nonnull (strstr (names, "'more': <false>"));
}

static void
test_what_are_no_holes (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture->connection);
  g_autoptr (GError) error = NULL;

  g_assert_null (call_file (fixture, "Put", id, "file", -1,
                            "{'size': <uint64 10>, 'holes': <[byte 1, 2, 3]>}", &error));
  g_assert_nonnull (strstr (error->message, "option \"holes\": 3 bytes: give 16 for each"));
}

static void
test_a_short_put_changes_nothing (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture->connection);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  int ends[2];

  put_text (fixture, id, "file", "old");
  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_assert_cmpint (write (ends[1], "new", 3), ==, 3);
  close (ends[1]);
  reply = call_file (fixture, "Put", id, "file", ends[0],
                     "{'data': <handle 0>, 'size': <uint64 4>}", &error);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  get_text (fixture, id, "file", "old");
}

/* An attached sandbox ends with its connection, another one stays. */
static void
test_attached (Fixture *fixture, gconstpointer data)
{
  GDBusConnection *client = berthd_process_connect (fixture->path);
  g_autofree char *stays = create (client);
  g_autoptr (GVariant) reply = call_ok (client, "Create", "({'attached': <true>},)", NULL);
  g_autofree char *arguments = g_strdup_printf ("('%s', {'code': <b'exit 0'>})", stays);
  g_autofree char *line = NULL;
  g_autoptr (GVariant) still_there = NULL;
  const char *id;

  g_variant_get (reply, "(&s)", &id);
  line = g_strdup_printf ("fake: sandbox %s is destroyed", id);
  g_dbus_connection_close_sync (client, NULL, NULL);
  g_object_unref (client);
  berthd_process_expect_log (&fixture->berthd, line);
  still_there = call_ok (fixture->connection, "Exec", arguments, NULL);
}

/* One that was destroyed by hand is not destroyed again. */
static void
test_attached_and_destroyed (Fixture *fixture, gconstpointer data)
{
  GDBusConnection *client = berthd_process_connect (fixture->path);
  g_autoptr (GVariant) reply = call_ok (client, "Create", "({'attached': <true>},)", NULL);
  g_autoptr (GVariant) destroyed = NULL;
  g_autofree char *arguments = NULL;
  const char *id;

  g_variant_get (reply, "(&s)", &id);
  arguments = g_strdup_printf ("('%s',)", id);
  destroyed = call_ok (client, "Destroy", arguments, NULL);
  berthd_process_expect_log (&fixture->berthd, "is destroyed");
  g_dbus_connection_close_sync (client, NULL, NULL);
  g_object_unref (client);
}

static guint
count_waiters (GDBusConnection *connection)
{
  g_autoptr (GVariant) reply = call_ok (connection, "Status", NULL, NULL);
  g_autoptr (GVariant) status = g_variant_get_child_value (reply, 0);
  g_autoptr (GVariant) waiters = g_variant_lookup_value (status, "waiters", NULL);

  return (guint)g_variant_n_children (waiters);
}

/* Asks until there are waiters, or none. */
static void
wait_for_waiters (GDBusConnection *connection, gboolean are_there)
{
  gint64 end = g_get_monotonic_time () + LIMIT_S * G_USEC_PER_SEC;

  while ((count_waiters (connection) > 0) != are_there)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (1000);
    }
}

static void
start_call (GDBusConnection *connection, const char *method, const char *arguments)
{
  g_autoptr (GVariant) parsed = parse (arguments);

  g_dbus_connection_call (connection, NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, method, parsed,
                          NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, NULL, NULL);
}

/* A client that goes away takes its waiting request and its program along, not its sandboxes. */
static void
test_disconnect (Fixture *fixture, gconstpointer data)
{
  GDBusConnection *client = berthd_process_connect (fixture->path);
  g_autofree char *id = create (client);
  g_autofree char *again = g_strdup_printf ("('%s', {'code': <b'exit 0'>})", id);
  g_autoptr (GVariant) still_there = NULL;

  start_call (client, "Run", "({'code': <b'sleep 100'>},)");
  start_call (client, "Create", "(@a{sv} {},)");
  wait_for_waiters (fixture->connection, TRUE);
  g_dbus_connection_close_sync (client, NULL, NULL);
  g_object_unref (client);
  berthd_process_expect_log (&fixture->berthd, "fake: a program is cancelled");
  wait_for_waiters (fixture->connection, FALSE);
  still_there = call_ok (fixture->connection, "Exec", again, NULL);
}

static gboolean
is_closed_soon (GDBusConnection *connection)
{
  gint64 end = g_get_monotonic_time () + LIMIT_S * G_USEC_PER_SEC;

  while (!g_dbus_connection_is_closed (connection) && g_get_monotonic_time () < end)
    g_usleep (1000);
  return g_dbus_connection_is_closed (connection);
}

static void
test_large_message (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bytes = g_strnfill (BERTH_LIMIT_CODE_MESSAGE_BYTES, '#');
  g_autoptr (GError) error = NULL;
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) still_served = NULL;

  g_variant_dict_insert (&dict, "code", "^ay", bytes);
  reply = call (fixture->connection, "Run", g_variant_new ("(@a{sv})", g_variant_dict_end (&dict)),
                NULL, &error);
  g_assert_null (reply);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "Run takes at most"));
  still_served = call_ok (fixture->connection, "Status", NULL, NULL);
}

static void
test_many_descriptors (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusConnection) client = berthd_process_connect (fixture->path);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  for (int i = 0; i <= BERTH_LIMIT_MESSAGE_FDS; i++)
    g_unix_fd_list_append (fds, STDERR_FILENO, NULL);
  reply = call (client, "Create", g_variant_new_parsed ("(@a{sv} {},)"), fds, &error);
  g_assert_null (reply);
  g_assert_true (is_closed_soon (client));
}

static void
refused_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  g_assert_null (reply);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "at once"));
  *(gboolean *)user_data = TRUE;
}

static void
test_many_calls (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusConnection) client = berthd_process_connect (fixture->path);
  gboolean refused = FALSE;

  for (guint i = 0; i < BERTH_LIMIT_CALLS_PER_CONNECTION; i++)
    start_call (client, "Run", "({'code': <b'sleep 100'>},)");
  wait_for_waiters (fixture->connection, TRUE);
  g_dbus_connection_call (client, NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, "List", NULL, NULL,
                          G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, refused_cb, &refused);
  while (!refused)
    g_main_context_iteration (NULL, TRUE);
  g_dbus_connection_close_sync (client, NULL, NULL);
  wait_for_waiters (fixture->connection, FALSE);
}

static void
write_text (GSocketConnection *stream, const char *text, gsize length)
{
  g_autoptr (GError) error = NULL;
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (stream));

  g_output_stream_write_all (output, text, length, NULL, NULL, &error);
  g_assert_no_error (error);
}

static char *
read_text (GSocketConnection *stream)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (stream));
  char buffer[4096];
  gssize length = g_input_stream_read (input, buffer, sizeof buffer, NULL, NULL);

  return g_strndup (buffer, length > 0 ? (gsize)length : 0);
}

/* A connection whose answers nobody reads */
static GSocketConnection *
dial_and_authenticate (Fixture *fixture)
{
  GSocketConnection *stream = dial (fixture);
  g_autofree char *number = g_strdup_printf ("%u", (guint)geteuid ());
  GString *line = g_string_new ("AUTH EXTERNAL ");
  g_autofree char *answer = NULL;

  for (const char *at = number; *at != '\0'; at++)
    g_string_append_printf (line, "%02x", (guint)*at);
  g_string_append (line, "\r\n");
  write_text (stream, "", 1);
  write_text (stream, line->str, line->len);
  answer = read_text (stream);
  g_assert_true (g_str_has_prefix (answer, "OK "));
  write_text (stream, "BEGIN\r\n", 7);
  g_string_free (line, TRUE);
  return stream;
}

static void
test_client_that_never_reads (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocketConnection) stream = dial_and_authenticate (fixture);
  g_autoptr (GDBusMessage) message
      = g_dbus_message_new_method_call (NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, "Status");
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (stream));
  gboolean alive = TRUE;
  gsize size;

  for (guint32 serial = 1; alive && serial < 1000000; serial++)
    {
      g_autofree guchar *blob = NULL;

      g_dbus_message_set_serial (message, serial);
      blob = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
      alive = g_output_stream_write_all (output, blob, size, NULL, NULL, NULL);
    }
  g_assert_false (alive);
  berthd_process_expect_log (&fixture->berthd, "it does not read its answers");
}

static void
test_only_external_authentication (Fixture *fixture, gconstpointer data)
{
  static const char *const mechanisms[] = { "ANONYMOUS", "DBUS_COOKIE_SHA1 30" };

  for (guint i = 0; i < G_N_ELEMENTS (mechanisms); i++)
    {
      g_autoptr (GSocketConnection) stream = dial (fixture);
      g_autofree char *line = g_strdup_printf ("AUTH %s\r\n", mechanisms[i]);
      g_autofree char *answer = NULL;

      write_text (stream, "", 1);
      write_text (stream, line, strlen (line));
      answer = read_text (stream);
      g_assert_cmpstr (answer, ==, "REJECTED EXTERNAL\r\n");
    }
}

static void
test_silent_client (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocketConnection) stream = dial (fixture);
  g_autoptr (GError) error = NULL;
  char byte;
  /* the other end closes it: no limit of this end's is reached */
  gssize length = g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (stream)), &byte,
                                       1, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpint (length, ==, 0);
}

/* (nullable): NULL when berthd has no place for one more */
static GDBusConnection *
try_to_connect (Fixture *fixture)
{
  g_autofree char *address = g_strconcat ("unix:path=", fixture->path, NULL);

  return g_dbus_connection_new_for_address_sync (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, NULL);
}

static void
test_many_connections (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) streams = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *answer = NULL;
  g_autoptr (GDBusConnection) client = NULL;

  /* the fixture's own is the first */
  for (guint i = 1; i < BERTH_LIMIT_CONNECTIONS_PER_UID; i++)
    g_ptr_array_add (streams, dial_and_authenticate (fixture));
  g_ptr_array_add (streams, dial (fixture));
  answer = read_text (g_ptr_array_index (streams, streams->len - 1));
  g_assert_cmpstr (answer, ==, "");
  berthd_process_expect_log (&fixture->berthd, "was refused");
  g_ptr_array_set_size (streams, 0);
  /* berthd hears of their ends one after the other; alarm() bounds this */
  while ((client = try_to_connect (fixture)) == NULL)
    g_usleep (1000);
  g_assert_cmpuint (count_waiters (client), ==, 0);
}

/* Of calls of the same connection, as long as they have no answer. */
static void
test_progress (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GVariant) of_none = call_ok (fixture->connection, "Progress", "(uint32 4711,)", NULL);
  g_autoptr (GVariant) run = parse ("({'code': <b'sleep 60'>},)");
  g_autofree char *question = NULL;
  g_autofree char *told = NULL;

  g_assert_cmpstr (g_variant_get_type_string (of_none), ==, "(a{sv})");
  g_assert_cmpuint (g_variant_get_size (of_none), ==, 0);
  g_dbus_connection_call (fixture->connection, NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, "Run",
                          run, NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, NULL, NULL);
  question
      = g_strdup_printf ("(uint32 %u,)", g_dbus_connection_get_last_serial (fixture->connection));
  do /* its VM starts before; alarm() bounds this */
    {
      g_autoptr (GVariant) of_run = call_ok (fixture->connection, "Progress", question, NULL);

      g_free (told);
      told = g_variant_print (of_run, FALSE);
    }
  while (strstr (told, "'starting'") != NULL);
  g_assert_cmpstr (told, ==, "({'state': <'running'>},)");
}

static void
test_version (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      fixture->connection, NULL, BERTH_BUS_PATH, "org.freedesktop.DBus.Properties", "Get",
      g_variant_new ("(ss)", BERTH_BUS_INTERFACE, "Version"), G_VARIANT_TYPE ("(v)"),
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_autoptr (GVariant) version = NULL;

  g_assert_no_error (error);
  g_variant_get (reply, "(v)", &version);
  g_assert_cmpstr (g_variant_get_string (version, NULL), ==, BERTH_VERSION);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/service/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  berth_bus_register_errors ();
  ADD ("options", test_options);
  ADD ("long-texts", test_long_texts);
  ADD ("long-names", test_long_names);
  ADD ("descriptors", test_descriptors);
  ADD ("streams-over-a-socket", test_streams_over_a_socket);
  ADD ("files", test_files);
  ADD ("what-are-no-holes", test_what_are_no_holes);
  ADD ("a-short-put-changes-nothing", test_a_short_put_changes_nothing);
  ADD ("attached", test_attached);
  ADD ("attached-and-destroyed", test_attached_and_destroyed);
  ADD ("disconnect", test_disconnect);
  ADD ("large-message", test_large_message);
  ADD ("many-descriptors", test_many_descriptors);
  ADD ("many-calls", test_many_calls);
  ADD ("client-that-never-reads", test_client_that_never_reads);
  ADD ("only-external-authentication", test_only_external_authentication);
  ADD ("silent-client", test_silent_client);
  ADD ("many-connections", test_many_connections);
  ADD ("progress", test_progress);
  ADD ("version", test_version);
  return g_test_run ();
}
