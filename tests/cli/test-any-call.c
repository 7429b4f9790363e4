/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every method of berthd's interfaces, as its XML has them, with arguments of the right types and
 * of any worth: nothing that a caller says ends berthd, is a bug to it, or leaves a VM, a request
 * or a descriptor behind. The real berthd on a host without VMs; argument: the folder of the XML.
 */
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "berthd-process.h"
#include "plugin/bus/berth-bus-names.h"

#define ROUNDS 30
#define CALLS 60
#define DESCRIPTORS 6
#define TEST_LIMIT_S 120
#define NOBODY 65534

typedef struct
{
  GPtrArray *nodes;   /* GDBusNodeInfo */
  GPtrArray *methods; /* Method */
  GHashTable *types;  /* what the XML's prose calls an option -> its type */
  GPtrArray *options; /* the names of these */
} Interfaces;

typedef struct
{
  const char *interface;
  const GDBusMethodInfo *info;
} Method;

typedef struct
{
  BerthdProcess berthd;
  GThread *reader;
  char *folder;
  char *path;
  Interfaces all;
  GPtrArray *ids;       /* of sandboxes that there are, or were */
  const Method *method; /* that is asked */
  guint answers;
  guint errors;
} Fixture;

static const char *folder_of_xml; /* constant from main() on */

static const char *
any_of (const char *const *texts, guint count)
{
  return texts[g_test_rand_int_range (0, (gint32)count)];
}

#define ANY_OF(texts) any_of (texts, G_N_ELEMENTS (texts))

/* ---- what there is to call ---- */

static void
interfaces_read (Interfaces *self, const char *name)
{
  g_autoptr (GRegex) option = g_regex_new ("\"([a-z_]+)\"\\s+\\(([a-z(){}]+)[,:)]", 0, 0, NULL);
  g_autofree char *path = g_build_filename (folder_of_xml, name, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GMatchInfo) found = NULL;
  g_autoptr (GError) error = NULL;
  GDBusNodeInfo *node;

  g_assert_true (g_file_get_contents (path, &text, NULL, &error));
  node = g_dbus_node_info_new_for_xml (text, &error);
  g_assert_no_error (error);
  g_ptr_array_add (self->nodes, node);
  for (guint i = 0; node->interfaces[i] != NULL; i++)
    for (guint j = 0; node->interfaces[i]->methods[j] != NULL; j++)
      {
        Method *method = g_new (Method, 1);

        *method = (Method){ node->interfaces[i]->name, node->interfaces[i]->methods[j] };
        g_ptr_array_add (self->methods, method);
      }
  for (g_regex_match (option, text, 0, &found); g_match_info_matches (found);
       g_match_info_next (found, NULL))
    {
      char *type = g_match_info_fetch (found, 2);

      /* deep ones are cut off at the door */
      if (!g_variant_type_string_is_valid (type) || strchr (type, '{') != NULL)
        {
          g_free (type);
          continue;
        }
      g_ptr_array_add (self->options, g_match_info_fetch (found, 1));
      g_hash_table_insert (self->types, g_match_info_fetch (found, 1), type);
    }
}

static void
interfaces_init (Interfaces *self)
{
  self->nodes = g_ptr_array_new_with_free_func ((GDestroyNotify)g_dbus_node_info_unref);
  self->methods = g_ptr_array_new_with_free_func (g_free);
  self->types = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->options = g_ptr_array_new_with_free_func (g_free);
  interfaces_read (self, "org.berth.Berth1.Manager.xml");
  interfaces_read (self, "org.berth.Berth1.Admin.xml");
  g_assert_cmpuint (self->methods->len, >=, 40);
  g_assert_cmpuint (self->options->len, >=, 60);
}

static void
interfaces_clear (Interfaces *self)
{
  g_ptr_array_unref (self->methods);
  g_ptr_array_unref (self->nodes);
  g_ptr_array_unref (self->options);
  g_hash_table_unref (self->types);
}

/* ---- what is said ---- */

static char *
any_string (Fixture *fixture)
{
  static const char *const texts[] = { "",
                                       "shell",
                                       "python",
                                       "slow",
                                       "fail-gone",
                                       "a",
                                       "../..",
                                       "/etc/passwd",
                                       "/dev/null",
                                       "\xc2\x9b"
                                       "1m\n",
                                       "<domain/>",
                                       "<x xmlns:a='b'><a:",
                                       "*",
                                       "0123456789abcdef0123456789abcdef" };

  if (g_test_rand_int_range (0, 3) == 0)
    return g_strnfill ((gsize)g_test_rand_int_range (0, 5000), 'x');
  if (fixture->ids->len > 0 && g_test_rand_bit ())
    return g_strdup (fixture->ids->pdata[g_test_rand_int_range (0, (gint32)fixture->ids->len)]);
  return g_strdup (ANY_OF (texts));
}

static guint64
any_number (void)
{
  static const guint64 numbers[]
      = { 0,       1,       2,          80,          128,      1000,       65535,      65536,
          3600000, 1 << 20, G_MAXINT32, G_MAXUINT32, 1u << 31, G_MAXINT64, G_MAXUINT64 };

  return numbers[g_test_rand_int_range (0, G_N_ELEMENTS (numbers))];
}

/* They are run on this machine. */
static const char *
any_code (void)
{
  static const char *const codes[]
      = { "exit 0", "echo x", "cat", "sleep 0.01", "head -c 300000 /dev/zero", "" };

  return ANY_OF (codes);
}

static GVariant *any_value (Fixture *fixture, const char *type);

static void
add_option (Fixture *fixture, GVariantDict *dict, const char *key)
{
  static const char *const types[]
      = { "s", "u", "x", "b", "h", "ay", "as", "aay", "(uu)", "v", "d" };
  const char *type = g_hash_table_lookup (fixture->all.types, key);

  if (type == NULL || g_test_rand_int_range (0, 5) == 0)
    type = ANY_OF (types);
  g_variant_dict_insert_value (dict, key, any_value (fixture, type));
}

/* Half of them are good ones, of whichever method is asked. */
static GVariant *
any_options (Fixture *fixture)
{
  static const char *const programs[] = { "Run", "Exec", "Start" };
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (programs); i++)
    if (g_str_equal (fixture->method->info->name, programs[i]))
      {
        g_variant_dict_insert_value (&dict, "code", g_variant_new_bytestring (any_code ()));
        g_variant_dict_insert (&dict, "timeout_ms", "u", 1000u);
      }
  if (g_str_equal (fixture->method->info->name, "Run")
      || g_str_equal (fixture->method->info->name, "Create"))
    g_variant_dict_insert (&dict, "template", "s", "shell");
  for (gint32 i = g_test_rand_bit () ? g_test_rand_int_range (1, 4) : 0; i > 0; i--)
    add_option (
        fixture, &dict,
        fixture->all.options->pdata[g_test_rand_int_range (0, (gint32)fixture->all.options->len)]);
  return g_variant_dict_end (&dict);
}

static GVariant *
any_bytes (void)
{
  static const char *const texts[] = { "", "a", "a/b", "../a", "/", "\xff\xfe", "a\nb" };
  const char *text = ANY_OF (texts);

  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, text, strlen (text), 1);
}

static GVariant *
any_array (Fixture *fixture, const char *element)
{
  g_autofree char *type = g_strconcat ("a", element, NULL);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE (type));
  for (gint32 i = g_test_rand_int_range (0, 20); i > 0; i--)
    g_variant_builder_add_value (&builder, any_value (fixture, element));
  return g_variant_builder_end (&builder);
}

static GVariant *
any_value (Fixture *fixture, const char *type)
{
  switch (type[0])
    {
    case 's':
      return g_variant_new_take_string (any_string (fixture));
    case 'u':
      return g_variant_new_uint32 ((guint32)any_number ());
    case 't':
      return g_variant_new_uint64 (any_number ());
    case 'x':
      return g_variant_new_int64 ((gint64)any_number ());
    case 'i':
      return g_variant_new_int32 ((gint32)any_number ());
    case 'd':
      return g_variant_new_double ((double)any_number ());
    case 'q':
      return g_variant_new_uint16 ((guint16)any_number ());
    case 'b':
      return g_variant_new_boolean (g_test_rand_bit ());
    case 'h':
      return g_variant_new_handle (g_test_rand_int_range (-1, DESCRIPTORS + 2));
    case 'v':
      return g_variant_new_variant (any_value (fixture, "s"));
    case '(':
      return g_variant_new_tuple (
          (GVariant *[]){ any_value (fixture, type + 1), any_value (fixture, type + 2) }, 2);
    default:
      g_assert_cmpint (type[0], ==, 'a');
      if (g_str_equal (type, "ay"))
        return any_bytes ();
      return type[1] == '{' ? any_options (fixture) : any_array (fixture, type + 1);
    }
}

/* Good ones and bad ones; a handle past the last is there for none. */
static GUnixFDList *
any_descriptors (void)
{
  GUnixFDList *fds = g_unix_fd_list_new ();
  int ends[2][2];
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

  g_assert_no_errno (pipe2 (ends[0], O_CLOEXEC));
  g_assert_no_errno (
      socketpair (AF_UNIX, g_test_rand_bit () ? SOCK_STREAM : SOCK_DGRAM, 0, ends[1]));
  g_unix_fd_list_append (fds, ends[0][0], NULL);
  g_unix_fd_list_append (fds, ends[0][1], NULL);
  g_unix_fd_list_append (fds, ends[1][0], NULL);
  g_unix_fd_list_append (fds, ends[1][1], NULL);
  g_unix_fd_list_append (fds, null, NULL);
  close (null);
  for (guint i = 0; i < 4; i++)
    close (ends[i / 2][i % 2]);
  return fds;
}

static GVariant *
any_arguments (Fixture *fixture, const Method *method)
{
  GVariant *arguments[8];
  gsize count = 0;

  for (; method->info->in_args[count] != NULL; count++)
    arguments[count] = any_value (fixture, method->info->in_args[count]->signature);
  return g_variant_new_tuple (arguments, count);
}

/* ---- berthd ---- */

static gpointer
read_log (gpointer data)
{
  g_autoptr (GDataInputStream) log = data;
  char *line;

  for (; (line = g_data_input_stream_read_line (log, NULL, NULL, NULL)) != NULL; g_free (line))
    {
      g_test_message ("%s", line);
      g_assert_null (strstr (line, "bug:"));
    }
  return NULL;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  alarm (TEST_LIMIT_S);
  fixture->folder = g_dir_make_tmp ("berth-any-call-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "s", NULL);
  fixture->ids = g_ptr_array_new_with_free_func (g_free);
  interfaces_init (&fixture->all);
  berthd_process_start (&fixture->berthd, fixture->path);
  fixture->reader = g_thread_new ("log", read_log, g_object_ref (fixture->berthd.log));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_assert_true (berthd_process_stop (&fixture->berthd, SIGTERM));
  g_thread_join (fixture->reader);
  alarm (0);
  interfaces_clear (&fixture->all);
  g_ptr_array_unref (fixture->ids);
  g_assert_no_errno (g_rmdir (fixture->folder));
  g_free (fixture->folder);
  g_free (fixture->path);
}

/* What must be answered, whatever was asked before */
static GVariant *
ask (GDBusConnection *connection, const char *interface, const char *method, GVariant *arguments)
{
  g_autoptr (GError) error = NULL;
  GVariant *answer
      = g_dbus_connection_call_sync (connection, NULL, BERTH_BUS_PATH, interface, method, arguments,
                                     NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, &error);

  g_assert_no_error (error);
  return answer;
}

/* But for what the host without VMs keeps of execs */
static guint
count_descriptors (Fixture *fixture)
{
  g_autofree char *path
      = g_strdup_printf ("/proc/%s/fd", g_subprocess_get_identifier (fixture->berthd.process));
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  guint count = 0;
  const char *name;

  g_assert_nonnull (folder);
  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *link = g_build_filename (path, name, NULL);
      g_autofree char *target = g_file_read_link (link, NULL);

      count += target == NULL || !g_str_has_prefix (target, "/memfd:");
    }
  return count;
}

/* The id that Create gave, or those of Fork */
static void
note_ids (Fixture *fixture, GVariant *answer)
{
  if (g_variant_is_of_type (answer, G_VARIANT_TYPE ("(s)")))
    {
      const char *id;

      g_variant_get (answer, "(&s)", &id);
      if (strlen (id) == 32)
        g_ptr_array_add (fixture->ids, g_strdup (id));
    }
}

typedef struct
{
  Fixture *fixture;
  guint under_way;
} Round;

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Round *round = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (source), NULL, result, &error);

  round->under_way--;
  round->fixture->answers += answer != NULL;
  round->fixture->errors += answer == NULL;
  if (answer != NULL)
    note_ids (round->fixture, answer);
  else if (g_dbus_error_is_remote_error (error))
    {
      g_dbus_error_strip_remote_error (error);
      for (const char *at = error->message; *at != '\0'; at = g_utf8_next_char (at))
        g_assert_true (g_unichar_isprint (g_utf8_get_char (at)));
      g_assert_cmpuint (strlen (error->message), <, 8192);
    }
}

static void
make_sandbox (Fixture *fixture, GDBusConnection *connection)
{
  g_autoptr (GVariant) options = g_variant_ref_sink (
      g_variant_new_parsed ("({'template': <'shell'>, 'attached': <true>},)"));
  g_autoptr (GVariant) answer = ask (connection, BERTH_BUS_INTERFACE, "Create", options);

  note_ids (fixture, answer);
}

/* Asks for anything, hears some of the answers, and goes. */
static void
call_anything (Fixture *fixture)
{
  g_autoptr (GDBusConnection) connection = berthd_process_connect (fixture->path);
  Round round = { .fixture = fixture };
  g_autoptr (GVariant) status = NULL;

  make_sandbox (fixture, connection);

  for (guint i = 0; i < CALLS; i++)
    {
      const Method *method = fixture->method
          = fixture->all.methods
                ->pdata[g_test_rand_int_range (0, (gint32)fixture->all.methods->len)];
      g_autoptr (GUnixFDList) fds = any_descriptors ();

      /* or nothing else is done */
      if (g_str_equal (method->info->name, "SetAdmitting") && g_test_rand_int_range (0, 20) != 0)
        continue;
      round.under_way++;
      g_dbus_connection_call_with_unix_fd_list (connection, NULL, BERTH_BUS_PATH, method->interface,
                                                method->info->name, any_arguments (fixture, method),
                                                NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, fds, NULL,
                                                answered_cb, &round);
    }
  while (round.under_way > CALLS / 4)
    g_main_context_iteration (NULL, TRUE);
  status = ask (connection, BERTH_BUS_INTERFACE, "Status", NULL);
  g_dbus_connection_close_sync (connection, NULL, NULL);
  while (round.under_way > 0)
    g_main_context_iteration (NULL, TRUE);
}

/* ---- what is left ---- */

/* Ends all that there is; whether there was nothing. */
static gboolean
destroy_all (GDBusConnection *connection)
{
  g_autoptr (GVariant) answer = ask (connection, BERTH_BUS_INTERFACE, "List", NULL);
  g_autoptr (GVariant) vms = g_variant_get_child_value (answer, 0);

  for (gsize i = 0; i < g_variant_n_children (vms); i++)
    {
      g_autoptr (GVariant) vm = g_variant_get_child_value (vms, i);
      const char *id;

      if (g_variant_lookup (vm, "id", "&s", &id) && id[0] != '\0')
        {
          g_autoptr (GVariant) gone = g_dbus_connection_call_sync (
              connection, NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, "Destroy",
              g_variant_new ("(s)", id), NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, NULL);
        }
    }
  return g_variant_n_children (vms) == 0;
}

static gboolean
is_idle (GDBusConnection *connection)
{
  g_autoptr (GVariant) answer = ask (connection, BERTH_BUS_INTERFACE, "Status", NULL);
  g_autoptr (GVariant) status = g_variant_get_child_value (answer, 0);
  g_autoptr (GVariant) slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  guint32 total = 0, free_slots = 1;

  g_assert_nonnull (slots);
  g_variant_lookup (slots, "total", "u", &total);
  g_variant_lookup (slots, "free", "u", &free_slots);
  return total == free_slots;
}

/* Until nothing is left of what was asked for */
static void
settle (GDBusConnection *connection)
{
  g_variant_unref (
      ask (connection, BERTH_BUS_ADMIN_INTERFACE, "SetAdmitting", g_variant_new ("(b)", TRUE)));
  while (!destroy_all (connection) || !is_idle (connection))
    ;
}

static void
test_anything (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusConnection) watcher = berthd_process_connect (fixture->path);
  guint before = 0;

  for (guint i = 0; i < ROUNDS; i++)
    {
      call_anything (fixture);
      settle (watcher);
      if (i == ROUNDS / 3) /* what is opened once is open */
        before = count_descriptors (fixture);
    }
  g_test_message ("%u answers, %u errors, %u sandboxes; %u descriptors before, %u after",
                  fixture->answers, fixture->errors, fixture->ids->len, before,
                  count_descriptors (fixture));
  g_assert_cmpuint (fixture->answers, >, ROUNDS * 3);
  /* who went is seen to, and what it handed over closed, when that has had its turn */
  while (count_descriptors (fixture) > before)
    g_variant_unref (ask (watcher, BERTH_BUS_INTERFACE, "Status", NULL));
}

/* (nullable): as another user; NULL: this is not root, who alone can be one */
static GDBusConnection *
dial_as_another (Fixture *fixture)
{
  GDBusConnection *connection;

  if (geteuid () != 0)
    return NULL;
  g_assert_no_errno (g_chmod (fixture->folder, 0711));
  g_assert_no_errno (g_chmod (fixture->path, 0666));
  g_assert_no_errno (seteuid (NOBODY));
  connection = berthd_process_connect (fixture->path);
  g_assert_no_errno (seteuid (0));
  return connection;
}

static gboolean
is_of_administrators (const Method *method)
{
  return g_str_equal (method->interface, BERTH_BUS_ADMIN_INTERFACE);
}

static void
call_method (Fixture *fixture, GDBusConnection *connection, const Method *method,
             GAsyncReadyCallback callback, gpointer user_data)
{
  fixture->method = method;
  g_dbus_connection_call (connection, NULL, BERTH_BUS_PATH, method->interface, method->info->name,
                          any_arguments (fixture, method), NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT,
                          NULL, callback, user_data);
}

static void
denied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  guint *denied = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autofree char *name = answer == NULL ? g_dbus_error_get_remote_error (error) : NULL;

  g_assert_cmpstr (name, ==, "org.berth.Berth1.Error.Denied");
  *denied += 1;
}

/* What administrators may, nobody else may, whichever method it is. */
static void
test_another_user (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusConnection) connection = dial_as_another (fixture);
  guint asked = 0, denied = 0;

  if (connection == NULL)
    {
      g_test_skip ("only root can be another user");
      return;
    }
  for (guint i = 0; i < fixture->all.methods->len; i++)
    if (is_of_administrators (fixture->all.methods->pdata[i]))
      {
        call_method (fixture, connection, fixture->all.methods->pdata[i], denied_cb, &denied);
        asked++;
      }
  g_assert_cmpuint (asked, >=, 11);
  while (denied < asked)
    g_main_context_iteration (NULL, TRUE);
}

/* Who asks and goes at once is no reason for anything of berthd's to end on another thread. */
static void
test_gone_at_once (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusConnection) watcher = berthd_process_connect (fixture->path);

  for (guint round = 0; round < 30; round++)
    {
      GDBusConnection *connection = dial_as_another (fixture);

      if (connection == NULL)
        connection = berthd_process_connect (fixture->path);
      for (guint i = 0; i < fixture->all.methods->len; i++)
        call_method (fixture, connection, fixture->all.methods->pdata[i], NULL, NULL);
      g_dbus_connection_flush_sync (connection, NULL, NULL);
      g_dbus_connection_close_sync (connection, NULL, NULL);
      g_object_unref (connection);
    }
  settle (watcher);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  folder_of_xml = argv[1];
  g_test_add ("/any-call/anything", Fixture, NULL, set_up, test_anything, tear_down);
  g_test_add ("/any-call/another-user", Fixture, NULL, set_up, test_another_user, tear_down);
  g_test_add ("/any-call/gone-at-once", Fixture, NULL, set_up, test_gone_at_once, tear_down);
  return g_test_run ();
}
