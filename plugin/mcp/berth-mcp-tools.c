/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table of tools, and those that are one question to berthd each. */
#include "plugin/mcp/berth-mcp-tools.h"

#include <string.h>
#include <unistd.h>

#include "plugin/mcp/berth-mcp-background.h"
#include "plugin/mcp/berth-mcp-checkpoint.h"
#include "plugin/mcp/berth-mcp-content.h"
#include "plugin/mcp/berth-mcp-option.h"
#include "plugin/mcp/berth-mcp-ports.h"
#include "plugin/mcp/berth-mcp-program.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-limits.h"

#define CREATE_OPTIONS (BERTH_OPTION_SET_SANDBOX | BERTH_OPTION_SET_SESSION)

/* ---- create_sandbox, end_sandbox ---- */

/* (transfer floating): {"sandbox_id": id} and more */
static void
begin_with_id (GVariantBuilder *told, const char *id)
{
  g_variant_builder_init (told, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (told, "{sv}", "sandbox_id", g_variant_new_string (id));
}

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = berth_client_create_finish (BERTH_CLIENT (source), result, &error);
  GVariantBuilder told;

  if (id == NULL)
    {
      berth_mcp_call_fail (call, error);
      return;
    }
  begin_with_id (&told, id);
  berth_mcp_call_succeed (call, g_variant_builder_end (&told), NULL);
}

static void
create (BerthMcpCall *call)
{
  g_autoptr (BerthSpec) spec = berth_spec_new (NULL);

  berth_mcp_option_apply (CREATE_OPTIONS, CREATE_OPTIONS, berth_mcp_call_get_arguments (call),
                          G_OBJECT (spec));
  berth_spec_set_attached (spec, !berth_mcp_call_keeps_sandboxes (call));
  berth_mcp_call_watch (call, spec);
  berth_client_create_async (berth_mcp_call_get_client (call), spec,
                             berth_mcp_call_get_cancellable (call), created_cb, call);
}

static void
forked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) ids = berth_client_fork_finish (BERTH_CLIENT (source), result, &error);
  GVariantBuilder told;

  if (ids == NULL)
    {
      berth_mcp_call_fail (call, error);
      return;
    }
  begin_with_id (&told, berth_mcp_call_get_text (call, "sandbox_id"));
  g_variant_builder_add (&told, "{sv}", "sandbox_ids",
                         g_variant_new_strv ((const char *const *)ids, -1));
  berth_mcp_call_succeed (call, g_variant_builder_end (&told), NULL);
}

static void
fork_sandbox (BerthMcpCall *call)
{
  gint64 count = 1;
  gboolean no_wait = FALSE;

  g_variant_lookup (berth_mcp_call_get_arguments (call), "count", "x", &count);
  g_variant_lookup (berth_mcp_call_get_arguments (call), "no_wait", "b", &no_wait);
  berth_client_fork_async (
      berth_mcp_call_get_client (call), berth_mcp_call_get_text (call, "sandbox_id"), (guint)count,
      no_wait ? 0 : -1, berth_mcp_call_get_cancellable (call), forked_cb, call);
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  const char *id = berth_mcp_call_get_text (call, "sandbox_id");
  GVariantBuilder told;

  if (!berth_client_destroy_finish (BERTH_CLIENT (source), result, &error))
    {
      berth_mcp_call_fail (call, error);
      return;
    }
  begin_with_id (&told, id);
  g_variant_builder_add (&told, "{sv}", "ended", g_variant_new_boolean (TRUE));
  berth_mcp_call_succeed (call, g_variant_builder_end (&told), NULL);
}

static void
end (BerthMcpCall *call)
{
  berth_client_destroy_async (berth_mcp_call_get_client (call),
                              berth_mcp_call_get_text (call, "sandbox_id"),
                              berth_mcp_call_get_cancellable (call), ended_cb, call);
}

/* ---- list_sandboxes, status ---- */

/* A sandbox of this very user: an administrator sees everybody's, and warm VMs are nobody's. */
static gboolean
is_own_sandbox (GVariant *vm)
{
  guint32 uid;
  guint32 execs;

  return g_variant_lookup (vm, "uid", "u", &uid) && uid == (guint32)geteuid ()
         && g_variant_lookup (vm, "exec_count", "u", &execs);
}

/* (transfer floating) */
static GVariant *
describe_sandbox (GVariant *vm)
{
  static const char *const keys[]
      = { "template", "state", "tenant", "task", "age_s", "exec_count", "memory_mb" };
  GVariantBuilder told;
  const char *id = "";

  g_variant_lookup (vm, "id", "&s", &id);
  begin_with_id (&told, id);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (vm, keys[i], NULL);

      if (value != NULL)
        g_variant_builder_add (&told, "{sv}", keys[i], value);
    }
  return g_variant_builder_end (&told);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) vms = berth_client_list_finish (BERTH_CLIENT (source), result, &error);
  GVariantBuilder sandboxes = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  gsize count = vms != NULL ? g_variant_n_children (vms) : 0;

  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) vm = g_variant_get_child_value (vms, i);

      if (is_own_sandbox (vm))
        g_variant_builder_add_value (&sandboxes, describe_sandbox (vm));
    }
  g_variant_builder_add (&told, "{sv}", "sandboxes", g_variant_builder_end (&sandboxes));
  if (vms != NULL)
    {
      berth_mcp_call_succeed (call, g_variant_builder_end (&told), NULL);
      return;
    }
  g_variant_builder_clear (&told);
  berth_mcp_call_fail (call, error);
}

static void
list (BerthMcpCall *call)
{
  berth_client_list_async (berth_mcp_call_get_client (call), berth_mcp_call_get_cancellable (call),
                           listed_cb, call);
}

static void
status_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) told = berth_client_status_finish (BERTH_CLIENT (source), result, &error);

  if (told != NULL)
    berth_mcp_call_succeed (call, told, NULL);
  else
    berth_mcp_call_fail (call, error);
}

static void
status (BerthMcpCall *call)
{
  berth_client_status_async (berth_mcp_call_get_client (call),
                             berth_mcp_call_get_cancellable (call), status_cb, call);
}

/* ---- files ---- */

static void
put_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  GVariantBuilder told;

  if (!berth_client_put_file_finish (BERTH_CLIENT (source), result, &error))
    {
      berth_mcp_call_fail (call, error);
      return;
    }
  begin_with_id (&told, berth_mcp_call_get_text (call, "sandbox_id"));
  g_variant_builder_add (&told, "{sv}", "path",
                         g_variant_new_string (berth_mcp_call_get_text (call, "path")));
  berth_mcp_call_succeed (call, g_variant_builder_end (&told), NULL);
}

static void
put (BerthMcpCall *call)
{
  GVariant *arguments = berth_mcp_call_get_arguments (call);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = berth_mcp_option_dup_content (arguments, &error);

  if (content != NULL)
    berth_client_put_file_async (
        berth_mcp_call_get_client (call), berth_mcp_call_get_text (call, "sandbox_id"),
        berth_mcp_call_get_text (call, "path"), content, berth_mcp_option_get_mode (arguments),
        berth_mcp_call_get_cancellable (call), put_cb, call);
  else
    berth_mcp_call_fail (call, error);
}

static void
got_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = berth_client_get_file_finish (BERTH_CLIENT (source), result, &error);
  g_autoptr (GPtrArray) contents = g_ptr_array_new_with_free_func ((GDestroyNotify)g_variant_unref);

  if (bytes != NULL)
    berth_mcp_call_succeed (call,
                            berth_mcp_content_add (contents,
                                                   berth_mcp_call_get_text (call, "sandbox_id"),
                                                   berth_mcp_call_get_text (call, "path"), bytes),
                            contents);
  else
    berth_mcp_call_fail (call, error);
}

static void
get (BerthMcpCall *call)
{
  berth_client_get_file_async (berth_mcp_call_get_client (call),
                               berth_mcp_call_get_text (call, "sandbox_id"),
                               berth_mcp_call_get_text (call, "path"), BERTH_MCP_FILES_BYTES,
                               berth_mcp_call_get_cancellable (call), got_cb, call);
}

/* (transfer floating): a name without the NUL behind it, which JSON would show */
static GVariant *
make_entry (GVariant *entry)
{
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, entry);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (strcmp (key, "name") == 0)
      g_variant_builder_add (
          &told, "{sv}", key,
          g_variant_new_take_string (g_utf8_make_valid (g_variant_get_bytestring (value), -1)));
    else
      g_variant_builder_add (&told, "{sv}", key, value);
  return g_variant_builder_end (&told);
}

static void
files_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) entries
      = berth_client_list_files_finish (BERTH_CLIENT (source), result, &error);
  GVariantBuilder files = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  gsize count = entries != NULL ? g_variant_n_children (entries) : 0;

  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);

      g_variant_builder_add_value (&files, make_entry (entry));
    }
  g_variant_builder_add (&told, "{sv}", "files", g_variant_builder_end (&files));
  g_variant_builder_add (&told, "{sv}", "more",
                         g_variant_new_boolean (count == BERTH_FILE_ENTRIES_MAX));
  if (entries != NULL)
    {
      berth_mcp_call_succeed (call, g_variant_builder_end (&told), NULL);
      return;
    }
  g_variant_builder_clear (&told);
  berth_mcp_call_fail (call, error);
}

static void
list_files (BerthMcpCall *call)
{
  const char *path = berth_mcp_call_get_text (call, "path");

  berth_client_list_files_async (berth_mcp_call_get_client (call),
                                 berth_mcp_call_get_text (call, "sandbox_id"),
                                 path != NULL ? path : ".", berth_mcp_call_get_text (call, "after"),
                                 berth_mcp_call_get_cancellable (call), files_listed_cb, call);
}

/* ---- the table ---- */

#define SANDBOX_ID                                                                                 \
  {                                                                                                \
    "sandbox_id", BERTH_MCP_STRING, TRUE, "Of create_sandbox", 0, 0, NULL                          \
  }
#define PATH                                                                                       \
  {                                                                                                \
    "path", BERTH_MCP_STRING, TRUE,                                                                \
        "In the sandbox: relative to its home folder, or absolute in it or in /tmp", 0, 0, NULL    \
  }

static const BerthMcpField id_fields[] = { SANDBOX_ID, { 0 } };
static const BerthMcpField fork_fields[] = {
  SANDBOX_ID,
  { "count", BERTH_MCP_INTEGER, FALSE, "How many (default 1)", 1, BERTH_LIMIT_FORKS, NULL },
  { "no_wait", BERTH_MCP_BOOLEAN, FALSE,
    "Whether to fail at once where there is no place for all of them (default false)", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField forked_fields[] = {
  SANDBOX_ID,
  { "sandbox_ids", BERTH_MCP_STRINGS, TRUE, "Of the copies", 0, 0, NULL },
  { 0 },
};
#define CHECKPOINT_NAME                                                                            \
  {                                                                                                \
    "name", BERTH_MCP_STRING, TRUE, "Of the checkpoint: 1 to 128 of A-Z a-z 0-9 _ -", 0, 0, NULL   \
  }
static const BerthMcpField name_fields[] = { SANDBOX_ID, CHECKPOINT_NAME, { 0 } };
static const BerthMcpField rollback_fields[] = {
  SANDBOX_ID,
  CHECKPOINT_NAME,
  { "no_wait", BERTH_MCP_BOOLEAN, FALSE,
    "Whether to fail at once where there is no place for it (default false)", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField checkpoint_fields[] = {
  CHECKPOINT_NAME,
  { "created", BERTH_MCP_INTEGER, TRUE, "Seconds since 1970", 0, 0, NULL },
  { "bytes", BERTH_MCP_INTEGER, TRUE, "On disk", 0, 0, NULL },
  { "exec_count", BERTH_MCP_INTEGER, TRUE, "Programs that had ended in the sandbox", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField kept_fields[] = {
  SANDBOX_ID,
  { "checkpoint", BERTH_MCP_OBJECT, TRUE, NULL, 0, 0, checkpoint_fields },
  { 0 },
};
static const BerthMcpField checkpoints_fields[] = {
  SANDBOX_ID,
  { "checkpoints", BERTH_MCP_OBJECTS, TRUE, "Oldest first", 0, 0, checkpoint_fields },
  { 0 },
};
static const BerthMcpField exec_fields[] = {
  SANDBOX_ID, { "downloads", BERTH_MCP_STRINGS, FALSE, BERTH_MCP_DOWNLOADS_HELP, 0, 0, NULL }, { 0 }
};
#define EXEC                                                                                       \
  {                                                                                                \
    "exec", BERTH_MCP_INTEGER, TRUE, "Of start_exec: its number in the sandbox", 1, G_MAXUINT32,   \
        NULL                                                                                       \
  }
static const BerthMcpField log_fields[] = {
  SANDBOX_ID,
  EXEC,
  { "wait", BERTH_MCP_BOOLEAN, FALSE,
    "Whether to wait for its end; what it writes is told as progress (default false)", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField kill_fields[] = {
  SANDBOX_ID,
  EXEC,
  { "signal", BERTH_MCP_INTEGER, FALSE,
    "A signal of Linux for all of its processes; 0: end it, by SIGTERM and then SIGKILL (default)",
    0, 64, NULL },
  { 0 },
};
static const BerthMcpField exec_result_fields[] = { SANDBOX_ID, EXEC, { 0 } };
static const BerthMcpField listed_exec_fields[] = {
  { "exec", BERTH_MCP_INTEGER, TRUE, "Its number", 0, 0, NULL },
  { "state", BERTH_MCP_STRING, TRUE, "running or ended, and others", 0, 0, NULL },
  { "kind", BERTH_MCP_STRING, FALSE, "code or command", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField execs_fields[] = {
  SANDBOX_ID,
  { "execs", BERTH_MCP_OBJECTS, TRUE, "The last 16 ends are known", 0, 0, listed_exec_fields },
  { 0 },
};
static const BerthMcpField publish_fields[] = {
  SANDBOX_ID,
  { "port", BERTH_MCP_INTEGER, TRUE, "Where a program in the sandbox listens, on its loopback", 1,
    65535, NULL },
  { "local_port", BERTH_MCP_INTEGER, FALSE,
    "Where this host reaches it, at 127.0.0.1 (default a free port)", 1, 65535, NULL },
  { 0 },
};
#define PORT_NUMBER                                                                                \
  {                                                                                                \
    "number", BERTH_MCP_INTEGER, TRUE, "Of the published port, for unpublish_port", 1,             \
        G_MAXUINT32, NULL                                                                          \
  }
static const BerthMcpField port_fields[] = {
  PORT_NUMBER,
  { "port", BERTH_MCP_INTEGER, TRUE, "The sandbox's", 0, 0, NULL },
  { "address", BERTH_MCP_STRING, TRUE, "This host's: ADDRESS:PORT", 0, 0, NULL },
  { "connections", BERTH_MCP_INTEGER, FALSE, "That are open", 0, 0, NULL },
  { "refused", BERTH_MCP_INTEGER, FALSE, "Connections that nobody listened for in the sandbox", 0,
    0, NULL },
  { 0 },
};
static const BerthMcpField published_fields[] = {
  SANDBOX_ID,
  { "published", BERTH_MCP_OBJECT, TRUE, NULL, 0, 0, port_fields },
  { 0 },
};
static const BerthMcpField ports_fields[] = {
  SANDBOX_ID,
  { "ports", BERTH_MCP_OBJECTS, TRUE, NULL, 0, 0, port_fields },
  { 0 },
};
static const BerthMcpField unpublish_fields[] = { SANDBOX_ID, PORT_NUMBER, { 0 } };
static const BerthMcpField put_fields[] = {
  SANDBOX_ID,
  PATH,
  { "text", BERTH_MCP_CONTENT, FALSE, "The content of a text file", 0, 0, NULL },
  { "base64", BERTH_MCP_STRING, FALSE, "The content of any other file, instead of text", 0, 0,
    NULL },
  { "executable", BERTH_MCP_BOOLEAN, FALSE, "Whether it may be run (default false)", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField get_fields[] = { SANDBOX_ID, PATH, { 0 } };
static const BerthMcpField list_files_fields[] = {
  SANDBOX_ID,
  { "path", BERTH_MCP_STRING, FALSE, "A folder (default the home folder)", 0, 0, NULL },
  { "after", BERTH_MCP_STRING, FALSE,
    "Only names behind this one: of the last file, where there were more", 0, 0, NULL },
  { 0 },
};

static const BerthMcpField ended_fields[] = {
  SANDBOX_ID,
  { "ended", BERTH_MCP_BOOLEAN, TRUE, NULL, 0, 0, NULL },
  { 0 },
};
static const BerthMcpField hibernated_fields[] = {
  SANDBOX_ID,
  { "hibernated", BERTH_MCP_BOOLEAN, TRUE, NULL, 0, 0, NULL },
  { 0 },
};
static const BerthMcpField put_result_fields[] = { SANDBOX_ID, PATH, { 0 } };
static const BerthMcpField file_fields[] = {
  { "name", BERTH_MCP_STRING, TRUE, NULL, 0, 0, NULL },
  { "type", BERTH_MCP_STRING, TRUE, "file, directory, symlink and others", 0, 0, NULL },
  { "size", BERTH_MCP_INTEGER, TRUE, "Bytes", 0, 0, NULL },
  { "mode", BERTH_MCP_INTEGER, TRUE, "Permission bits and type, as stat has them", 0, 0, NULL },
  { "mtime", BERTH_MCP_NUMBER, TRUE, "Seconds since 1970", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField files_fields[] = {
  { "files", BERTH_MCP_OBJECTS, TRUE, "Sorted by name, 1,000 at most", 0, 0, file_fields },
  { "more", BERTH_MCP_BOOLEAN, TRUE, "Whether to ask again, with after", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField sandbox_fields[] = {
  SANDBOX_ID,
  { "template", BERTH_MCP_STRING, TRUE, "What it was made from: its language", 0, 0, NULL },
  { "state", BERTH_MCP_STRING, TRUE, NULL, 0, 0, NULL },
  { "age_s", BERTH_MCP_NUMBER, TRUE, "Seconds", 0, 0, NULL },
  { "exec_count", BERTH_MCP_INTEGER, TRUE, "Programs that have ended in it", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField sandboxes_fields[] = {
  { "sandboxes", BERTH_MCP_OBJECTS, TRUE, NULL, 0, 0, sandbox_fields },
  { 0 },
};
static const BerthMcpField status_fields[] = {
  { "slots", BERTH_MCP_OBJECT, TRUE,
    "Virtual machines: total, free (for a new request), claimed, paused, warm, starting, "
    "stopping",
    0, 0, NULL },
  { "n_waiting", BERTH_MCP_INTEGER, TRUE, "Requests in the queue", 0, 0, NULL },
  { "templates", BERTH_MCP_OBJECT, TRUE, "By name: the languages that there are", 0, 0, NULL },
  { 0 },
};

static const BerthMcpTool tools[] = {
  { "run_code", "Run code in a fresh virtual machine",
    "Runs a program in a virtual machine of its own that is thrown away afterwards, and returns "
    "what "
    "it printed and how it ended. Nothing is left over for the next call: state that several calls "
    "need lives in a sandbox of create_sandbox. There is no network but the names in allow, as far "
    "as this "
    "host lets them be reached. Give files that the program "
    "needs as uploads, and name those that it writes and you want, such as plots, as downloads.",
    0, BERTH_MCP_RUN_OPTIONS, NULL, berth_mcp_program_fields, berth_mcp_program_run },
  { "create_sandbox", "Make a sandbox that stays",
    "Makes a virtual machine that stays and returns its sandbox_id. What exec_code defines in it, "
    "and files, are there for the next exec_code. It ends by end_sandbox, when nobody uses it for "
    "a "
    "while (idle_timeout), and with this connection. Places are few: end it when it is not needed "
    "any more.",
    0, CREATE_OPTIONS, NULL, id_fields, create },
  { "fork_sandbox", "Copy a sandbox that runs",
    "Makes sandboxes that go on from where this one is: with its variables, files and processes, "
    "each for itself from then on. Use it to try several ways from one state. The sandbox itself "
    "goes on. All of them are made, or none; what runs goes on in each as if start_exec had begun "
    "it. Each takes a "
    "place: end those that are not needed.",
    0, 0, fork_fields, forked_fields, fork_sandbox },
  { "checkpoint_sandbox", "Keep what a sandbox is now",
    "Keeps what a sandbox is at this moment under a name: variables, files and processes. It goes "
    "on. Use it before a step that may go wrong; rollback_sandbox goes back. It stays until "
    "remove_checkpoint.",
    0, 0, name_fields, kept_fields, berth_mcp_checkpoint_keep },
  { "list_checkpoints", "List what was kept of a sandbox", "Lists the checkpoints of a sandbox.",
    BERTH_MCP_READS, 0, id_fields, checkpoints_fields, berth_mcp_checkpoint_list },
  { "rollback_sandbox", "Let a sandbox go back to a checkpoint",
    "Lets a sandbox go on from what it was when the checkpoint was made, under its sandbox_id. "
    "What "
    "it did since is lost, and what runs in it ends. For a moment it takes two places.",
    BERTH_MCP_DESTROYS | BERTH_MCP_IDEMPOTENT, 0, rollback_fields, name_fields,
    berth_mcp_checkpoint_roll_back },
  { "remove_checkpoint", "Remove a checkpoint of a sandbox",
    "Removes what checkpoint_sandbox kept, which takes room on the disk.", BERTH_MCP_DESTROYS, 0,
    name_fields, name_fields, berth_mcp_checkpoint_remove },
  { "hibernate_sandbox", "Put a sandbox to sleep on the disk",
    "Gives the place of a sandbox back that is not needed for a while. Its variables, files and "
    "what start_exec began stand still on the disk; whatever is asked of it next has it go on. "
    "Not while exec_code runs in it.",
    BERTH_MCP_IDEMPOTENT, 0, id_fields, hibernated_fields, berth_mcp_checkpoint_hibernate },
  { "exec_code", "Run code in a sandbox",
    "Runs code in a sandbox of create_sandbox, by an interpreter that keeps its state: variables, "
    "functions and imports of earlier calls are there. Code of one sandbox runs one call "
    "after the other; a command runs at once, beside it. What a last expression is worth is not "
    "shown: print it.",
    BERTH_MCP_DESTROYS, BERTH_OPTION_SET_EXEC, exec_fields, berth_mcp_program_fields,
    berth_mcp_program_exec },
  { "start_exec", "Start a program in the background of a sandbox",
    "Starts code or a command in a sandbox of create_sandbox and returns its number, exec, while "
    "it "
    "runs on: a server, a long build. exec_log tells what it wrote and how it ended, kill_exec "
    "ends "
    "it. Code has the interpreter until it ends, so other code waits; a command does not. Until it "
    "ends the sandbox does not end for want of use. timeout is its limit, too.",
    BERTH_MCP_DESTROYS, BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_BACKGROUND, id_fields,
    exec_result_fields, berth_mcp_background_start },
  { "list_execs", "List what runs in the background of a sandbox",
    "Lists what start_exec has started in a sandbox: what runs, and what has ended.",
    BERTH_MCP_READS, 0, id_fields, execs_fields, berth_mcp_background_list },
  { "exec_log", "Read what runs in the background of a sandbox",
    "Returns what a program of start_exec wrote, as far as it is kept (the last MiB), whether it "
    "runs, and how it ended. With wait, at its end.",
    BERTH_MCP_READS, 0, log_fields, berth_mcp_log_fields, berth_mcp_program_log },
  { "kill_exec", "End what runs in the background of a sandbox",
    "Ends a program of start_exec, or sends it a signal.", BERTH_MCP_DESTROYS, 0, kill_fields,
    exec_result_fields, berth_mcp_background_kill },
  { "publish_port", "Reach a server of a sandbox from this host",
    "Makes a port of a sandbox, where a program of start_exec listens, reachable at 127.0.0.1 of "
    "this "
    "host, and returns the address: for a preview, or a client on this host. It ends by "
    "unpublish_port "
    "and with the sandbox.",
    0, 0, publish_fields, published_fields, berth_mcp_ports_publish },
  { "list_ports", "List published ports of a sandbox",
    "Lists which ports of a sandbox this host reaches, and where.", BERTH_MCP_READS, 0, id_fields,
    ports_fields, berth_mcp_ports_list },
  { "unpublish_port", "Reach a server of a sandbox no more",
    "Ends what publish_port began, and the connections to it.", BERTH_MCP_DESTROYS, 0,
    unpublish_fields, unpublish_fields, berth_mcp_ports_unpublish },
  { "list_sandboxes", "List sandboxes",
    "Lists this user's sandboxes: their ids, languages and ages.", BERTH_MCP_READS, 0, NULL,
    sandboxes_fields, list },
  { "end_sandbox", "End a sandbox",
    "Ends a sandbox, whatever runs in it; its files and state are lost. One that has ended already "
    "is no error.",
    BERTH_MCP_DESTROYS | BERTH_MCP_IDEMPOTENT, 0, id_fields, ended_fields, end },
  { "put_file", "Write a file in a sandbox",
    "Writes a file in a sandbox, replacing what had its name, and makes the folders above it. Give "
    "its content as text, or as base64.",
    BERTH_MCP_DESTROYS | BERTH_MCP_IDEMPOTENT, 0, put_fields, put_result_fields, put },
  { "get_file", "Read a file of a sandbox",
    "Returns a file of a sandbox: text as text (its first 256 KiB), an image as an image, anything "
    "else as base64. 8 MiB at most.",
    BERTH_MCP_READS, 0, get_fields, berth_mcp_content_fields, get },
  { "list_files", "List a folder of a sandbox",
    "Lists a folder of a sandbox, sorted by name, 1,000 entries at a time.", BERTH_MCP_READS, 0,
    list_files_fields, files_fields, list_files },
  { "status", "Capacity of this host",
    "Tells how many virtual machines there may be, how many are free, who waits, and which "
    "languages "
    "there are.",
    BERTH_MCP_READS, 0, NULL, status_fields, status },
};

const BerthMcpTool *
berth_mcp_tools_find (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (tools); i++)
    if (strcmp (tools[i].name, name) == 0)
      return &tools[i];
  return NULL;
}

static BerthMcpField *
make_fields (const BerthMcpTool *tool)
{
  return berth_mcp_option_make_fields (tool->arguments, tool->options);
}

static void
add_hint (GVariantBuilder *builder, const char *key, gboolean value)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_boolean (value));
}

/* (transfer floating) */
static GVariant *
make_annotations (const BerthMcpTool *tool)
{
  GVariantBuilder hints = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  gboolean reads = (tool->hints & BERTH_MCP_READS) != 0;

  g_variant_builder_add (&hints, "{sv}", "title", g_variant_new_string (tool->title));
  add_hint (&hints, "readOnlyHint", reads);
  add_hint (&hints, "destructiveHint", (tool->hints & BERTH_MCP_DESTROYS) != 0);
  add_hint (&hints, "idempotentHint", reads || (tool->hints & BERTH_MCP_IDEMPOTENT) != 0);
  add_hint (&hints, "openWorldHint", FALSE);
  return g_variant_builder_end (&hints);
}

/* (transfer floating) */
static GVariant *
describe (const BerthMcpTool *tool)
{
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  BerthMcpField *fields = make_fields (tool);

  g_variant_builder_add (&told, "{sv}", "name", g_variant_new_string (tool->name));
  g_variant_builder_add (&told, "{sv}", "title", g_variant_new_string (tool->title));
  g_variant_builder_add (&told, "{sv}", "description", g_variant_new_string (tool->description));
  g_variant_builder_add (&told, "{sv}", "inputSchema", berth_mcp_field_make_schema (fields));
  g_variant_builder_add (&told, "{sv}", "outputSchema",
                         berth_mcp_field_make_result_schema (tool->results));
  g_variant_builder_add (&told, "{sv}", "annotations", make_annotations (tool));
  berth_mcp_option_free_fields (fields);
  return g_variant_builder_end (&told);
}

GVariant *
berth_mcp_tools_list (void)
{
  GVariantBuilder all = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < G_N_ELEMENTS (tools); i++)
    g_variant_builder_add_value (&all, describe (&tools[i]));
  return g_variant_builder_end (&all);
}

gboolean
berth_mcp_tools_check (const BerthMcpTool *tool, GVariant *arguments, GError **error)
{
  BerthMcpField *fields = make_fields (tool);
  gboolean ok = berth_mcp_field_check (fields, arguments, error);

  berth_mcp_option_free_fields (fields);
  return ok;
}
