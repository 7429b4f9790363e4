/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run_code, exec_code and exec_log: a program, what it writes while it runs, and the files that it
 * leaves. */
#include "plugin/mcp/berth-mcp-program.h"

#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <string.h>

#include "plugin/base/berth-pipe.h"
#include "plugin/base/berth-printable.h"
#include "plugin/mcp/berth-mcp-content.h"
#include "plugin/mcp/berth-mcp-json.h"
#include "plugin/mcp/berth-mcp-option.h"
#include "plugin/mcp/berth-mcp-output.h"
#include "plugin/model/berth-result-private.h"
#include "pool/berth-error.h"

#define CHUNK_BYTES 16384u
/* Output is told so often at most, and so much of it at a time: a model that watches reads it, the
 * whole is in the result */
#define TELL_MS 200u
#define TELL_BYTES 4096u

#define N_OUTPUTS 2

static const BerthMcpField download_fields[] = {
  { "path", BERTH_MCP_STRING, TRUE, NULL, 0, 0, NULL },
  { "size", BERTH_MCP_INTEGER, FALSE, NULL, 0, 0, NULL },
  { "mime_type", BERTH_MCP_STRING, FALSE, NULL, 0, 0, NULL },
  { "text", BERTH_MCP_STRING, FALSE, "Of a text; other files are content items", 0, 0, NULL },
  { "text_truncated", BERTH_MCP_BOOLEAN, FALSE, NULL, 0, 0, NULL },
  { "error", BERTH_MCP_OBJECT, FALSE, "Why it is not here: code, cause, remedy", 0, 0, NULL },
  { 0 },
};

const BerthMcpField berth_mcp_program_fields[] = {
  { "stdout", BERTH_MCP_STRING, TRUE,
    "What the program wrote; of more than 64 KiB its begin and its end", 0, 0, NULL },
  { "stderr", BERTH_MCP_STRING, TRUE, "Likewise", 0, 0, NULL },
  { "exit_code", BERTH_MCP_INTEGER, FALSE,
    "The program's own; 128 and the number of a signal that ended it; absent where the time ran "
    "out",
    0, 0, NULL },
  { "timed_out", BERTH_MCP_BOOLEAN, TRUE, "Whether the time limit ended it", 0, 0, NULL },
  { "oom", BERTH_MCP_BOOLEAN, TRUE, "Whether the sandbox ran out of memory", 0, 0, NULL },
  { "stdout_truncated", BERTH_MCP_BOOLEAN, TRUE, NULL, 0, 0, NULL },
  { "stderr_truncated", BERTH_MCP_BOOLEAN, TRUE, NULL, 0, 0, NULL },
  { "sandbox_id", BERTH_MCP_STRING, FALSE, "Where it ran, if that still exists", 0, 0, NULL },
  { "template", BERTH_MCP_STRING, FALSE, "What its sandbox was made from", 0, 0, NULL },
  { "start", BERTH_MCP_STRING, FALSE, "How its VM came to be: warm, clone or cold", 0, 0, NULL },
  { "timing", BERTH_MCP_OBJECT, FALSE, "Milliseconds", 0, 0, NULL },
  { "usage", BERTH_MCP_OBJECT, FALSE, "cpu_ms and memory_peak_mb", 0, 0, NULL },
  { "downloads", BERTH_MCP_OBJECTS, FALSE, "The files that were asked for", 0, 0, download_fields },
  { 0 },
};

const BerthMcpField berth_mcp_log_fields[] = {
  { "stdout", BERTH_MCP_STRING, TRUE,
    "What is kept of what it wrote; of more than 64 KiB the begin and the end", 0, 0, NULL },
  { "stderr", BERTH_MCP_STRING, TRUE, "Likewise", 0, 0, NULL },
  { "running", BERTH_MCP_BOOLEAN, TRUE, "Whether it has not ended", 0, 0, NULL },
  { "lost_bytes", BERTH_MCP_INTEGER, TRUE, "Of its output, that were older and are not kept", 0, 0,
    NULL },
  { "exit_code", BERTH_MCP_INTEGER, FALSE, "Of one that has ended, as of exec_code", 0, 0, NULL },
  { "timed_out", BERTH_MCP_BOOLEAN, FALSE, "Whether the time limit ended it", 0, 0, NULL },
  { "oom", BERTH_MCP_BOOLEAN, FALSE, "Whether the sandbox ran out of memory", 0, 0, NULL },
  { "stdout_truncated", BERTH_MCP_BOOLEAN, TRUE, NULL, 0, 0, NULL },
  { "stderr_truncated", BERTH_MCP_BOOLEAN, TRUE, NULL, 0, 0, NULL },
  { "sandbox_id", BERTH_MCP_STRING, TRUE, "Where it runs", 0, 0, NULL },
  { 0 },
};

/* One of the program's streams */
typedef struct
{
  GInputStream *stream; /* nullable */
  BerthMcpOutput *output;
  char chunk[CHUNK_BYTES];
} Stream;

/* A program that runs; freed with its call's end. */
typedef struct
{
  BerthMcpCall *call;
  const char *id;  /* (nullable): of the sandbox that it is an exec in; borrowed from @call */
  BerthSpec *spec; /* (nullable): of a run */
  BerthProgram *program;
  Stream outputs[N_OUTPUTS];
  guint pending;        /* the call, and streams that have not ended */
  GString *fresh;       /* bytes that were not told */
  guint tell_id;        /* a source */
  BerthResult *result;  /* nullable */
  GError *error;        /* nullable */
  GPtrArray *contents;  /* GVariant: items of the result */
  GPtrArray *downloads; /* GVariant: what is told of each file */
  GStrv wanted;         /* (nullable): of an exec: files to be brought */
  guint next;           /* of them */
  guint64 room;         /* bytes that they may still have */
  gboolean is_log;      /* of an exec in the background, which may run on */
  guint64 lost_bytes;   /* of that */
} Running;

static void
running_free (Running *self)
{
  g_clear_handle_id (&self->tell_id, g_source_remove);
  if (self->spec != NULL)
    g_signal_handlers_disconnect_by_data (self->spec, self->call);
  g_clear_object (&self->spec);
  g_clear_object (&self->program);
  for (guint i = 0; i < N_OUTPUTS; i++)
    {
      g_clear_object (&self->outputs[i].stream);
      g_clear_pointer (&self->outputs[i].output, berth_mcp_output_free);
    }
  g_string_free (self->fresh, TRUE);
  g_clear_pointer (&self->result, berth_result_free);
  g_clear_error (&self->error);
  g_ptr_array_unref (self->contents);
  g_ptr_array_unref (self->downloads);
  g_strfreev (self->wanted);
  g_free (self);
}

static Running *
running_new (BerthMcpCall *call)
{
  Running *self = g_new0 (Running, 1);

  self->call = call;
  self->fresh = g_string_new (NULL);
  self->contents = g_ptr_array_new_with_free_func ((GDestroyNotify)g_variant_unref);
  self->downloads = g_ptr_array_new_with_free_func ((GDestroyNotify)g_variant_unref);
  self->room = BERTH_MCP_FILES_BYTES;
  for (guint i = 0; i < N_OUTPUTS; i++)
    self->outputs[i].output = berth_mcp_output_new ();
  return self;
}

/* Nothing of it goes on. */
static void
fail (Running *self, GError *error)
{
  BerthMcpCall *call = self->call;
  g_autoptr (GError) owned = error;

  running_free (self);
  berth_mcp_call_fail (call, owned);
}

/* ---- the end ---- */

/* What the library knows, but for what is told in another form */
static void
add_result (GVariantBuilder *told, Running *self)
{
  static const char *const keys[]
      = { "exit_code", "timed_out", "oom", "template", "warm_hit", "start", "timing", "usage" };
  g_autoptr (GVariant) all = g_variant_ref_sink (berth_result_to_variant (self->result));

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (all, keys[i], NULL);

      if (value != NULL)
        g_variant_builder_add (told, "{sv}", keys[i], value);
    }
}

static void
add_log (GVariantBuilder *told, Running *self)
{
  g_variant_builder_add (told, "{sv}", "running", g_variant_new_boolean (self->result == NULL));
  g_variant_builder_add (told, "{sv}", "lost_bytes", g_variant_new_uint64 (self->lost_bytes));
}

static void
succeed (Running *self)
{
  BerthMcpCall *call = self->call;
  g_autoptr (GPtrArray) contents = g_ptr_array_ref (self->contents);
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) out = berth_mcp_output_to_variant (self->outputs[0].output);
  g_autoptr (GVariant) err = berth_mcp_output_to_variant (self->outputs[1].output);

  g_variant_builder_add (&told, "{sv}", "stdout", out);
  g_variant_builder_add (&told, "{sv}", "stderr", err);
  if (self->result != NULL)
    add_result (&told, self);
  if (self->is_log)
    add_log (&told, self);
  g_variant_builder_add (&told, "{sv}", "stdout_truncated",
                         g_variant_new_boolean (berth_mcp_output_is_cut (self->outputs[0].output)));
  g_variant_builder_add (&told, "{sv}", "stderr_truncated",
                         g_variant_new_boolean (berth_mcp_output_is_cut (self->outputs[1].output)));
  if (self->id != NULL)
    g_variant_builder_add (&told, "{sv}", "sandbox_id", g_variant_new_string (self->id));
  if (self->downloads->len > 0)
    g_variant_builder_add (&told, "{sv}", "downloads",
                           g_variant_new_array (G_VARIANT_TYPE_VARDICT,
                                                (GVariant **)self->downloads->pdata,
                                                self->downloads->len));
  running_free (self);
  berth_mcp_call_succeed (call, g_variant_builder_end (&told), contents);
}

/* ---- files ---- */

static void
add_file (Running *self, const char *path, GBytes *bytes)
{
  const char *id = self->id != NULL ? self->id : berth_result_get_sandbox_id (self->result);

  g_ptr_array_add (self->downloads, g_variant_ref_sink (berth_mcp_content_add (
                                        self->contents, id != NULL ? id : "run", path, bytes)));
}

static void
add_missing (Running *self, const char *path, const GError *error)
{
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char *shown = g_utf8_make_valid (path, -1);

  g_variant_builder_add (&told, "{sv}", "path", g_variant_new_string (shown));
  g_variant_builder_add (&told, "{sv}", "error", berth_mcp_call_error_to_variant (error));
  g_ptr_array_add (self->downloads, g_variant_ref_sink (g_variant_builder_end (&told)));
}

/* Whether not all of what was asked for by this path came back; the library tells why. */
static gboolean
is_incomplete (Running *self, const char *path)
{
  for (guint i = 0; self->result->downloads != NULL && i < self->result->downloads->len; i++)
    {
      const BerthDownload *download = g_ptr_array_index (self->result->downloads, i);

      if (download->error != NULL && strcmp (download->path, path) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Of a run, with which they came */
static void
add_run_files (Running *self)
{
  g_auto (GStrv) paths = berth_result_list_downloads (self->result);

  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autoptr (GBytes) bytes = berth_result_get_download (self->result, paths[i], NULL);

      if (bytes != NULL)
        add_file (self, paths[i], bytes);
    }
  for (guint i = 0; self->wanted != NULL && self->wanted[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes
          = is_incomplete (self, self->wanted[i])
                ? berth_result_get_download (self->result, self->wanted[i], &error)
                : NULL;

      if (error != NULL)
        add_missing (self, self->wanted[i], error);
    }
}

static void bring_next (Running *self);

static void
brought_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Running *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = berth_client_get_file_finish (BERTH_CLIENT (source), result, &error);
  const char *path = self->wanted[self->next++];

  if (bytes != NULL)
    {
      self->room -= MIN (self->room, g_bytes_get_size (bytes));
      add_file (self, path, bytes);
    }
  else
    add_missing (self, path, error);
  bring_next (self);
}

/* Of an exec: one after the other, so that their sizes together have a bound */
static void
bring_next (Running *self)
{
  const char *path = self->wanted != NULL ? self->wanted[self->next] : NULL;

  if (path == NULL)
    {
      succeed (self);
      return;
    }
  berth_client_get_file_async (berth_mcp_call_get_client (self->call), self->id, path,
                               MAX (self->room, 1), berth_mcp_call_get_cancellable (self->call),
                               brought_cb, self);
}

static void
maybe_done (Running *self)
{
  if (self->pending > 0)
    return;
  if (self->error != NULL)
    fail (self, g_steal_pointer (&self->error));
  else if (self->id != NULL)
    bring_next (self);
  else
    {
      add_run_files (self);
      succeed (self);
    }
}

/* ---- output ---- */

/* (transfer full): what of @fresh are whole characters; the rest stays */
static char *
take_fresh (GString *fresh)
{
  gsize whole = berth_printable_count_whole ((const guint8 *)fresh->str, fresh->len);
  char *text;

  for (gsize i = 0; i < whole; i++)
    if (fresh->str[i] == '\0')
      fresh->str[i] = ' ';
  text = g_utf8_make_valid (fresh->str, (gssize)whole);
  g_string_erase (fresh, 0, (gssize)whole);
  return text;
}

static gboolean
tell_cb (gpointer user_data)
{
  Running *self = user_data;
  g_autofree char *text = NULL;

  if (!berth_mcp_call_can_tell (self->call))
    return G_SOURCE_CONTINUE;
  self->tell_id = 0;
  text = take_fresh (self->fresh);
  if (text[0] != '\0')
    berth_mcp_call_tell (self->call, text);
  return G_SOURCE_REMOVE;
}

/* Of what nobody had time to read, the end is told. */
static void
watch_output (Running *self, const char *bytes, gsize size)
{
  if (!berth_mcp_call_is_listened_to (self->call))
    return;
  g_string_append_len (self->fresh, bytes, (gssize)size);
  if (self->fresh->len > TELL_BYTES)
    g_string_erase (self->fresh, 0, (gssize)(self->fresh->len - TELL_BYTES));
  if (self->tell_id == 0)
    self->tell_id = g_timeout_add (TELL_MS, tell_cb, self);
}

static void read_stream (Running *self, guint index);

static void
read_into (Running *self, guint index, GAsyncResult *result)
{
  Stream *stream = &self->outputs[index];
  gssize size = g_input_stream_read_finish (stream->stream, result, NULL);

  if (size > 0)
    {
      berth_mcp_output_add (stream->output, stream->chunk, (gsize)size);
      watch_output (self, stream->chunk, (gsize)size);
      read_stream (self, index);
      return;
    }
  self->pending--;
  maybe_done (self);
}

static void
read_out_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  read_into (user_data, 0, result);
}

static void
read_err_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  read_into (user_data, 1, result);
}

static void
read_stream (Running *self, guint index)
{
  Stream *stream = &self->outputs[index];

  g_input_stream_read_async (stream->stream, stream->chunk, CHUNK_BYTES, G_PRIORITY_DEFAULT, NULL,
                             index == 0 ? read_out_cb : read_err_cb, self);
}

/* ---- the begin ---- */

/* A program that does not read its input is no failure. */
static gboolean
feed (Running *self, GError **error)
{
  g_autoptr (GVariant) text
      = g_variant_lookup_value (berth_mcp_call_get_arguments (self->call), "stdin", NULL);
  g_autoptr (GBytes) bytes = text != NULL ? berth_mcp_json_dup_bytes (text) : NULL;
  g_autoptr (GInputStream) from = NULL;
  g_autoptr (GOutputStream) to = NULL;

  if (bytes == NULL)
    return TRUE;
  to = berth_program_open_stdin (self->program, error);
  if (to == NULL)
    return FALSE;
  g_unix_set_fd_nonblocking (g_unix_output_stream_get_fd (G_UNIX_OUTPUT_STREAM (to)), TRUE, NULL);
  from = g_memory_input_stream_new_from_bytes (bytes);
  g_output_stream_splice_async (
      to, from, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
      G_PRIORITY_DEFAULT, berth_mcp_call_get_cancellable (self->call), NULL, NULL);
  return TRUE;
}

static gboolean
open_streams (Running *self, GError **error)
{
  self->outputs[0].stream = berth_program_open_stdout (self->program, error);
  if (self->outputs[0].stream == NULL)
    return FALSE;
  self->outputs[1].stream = berth_program_open_stderr (self->program, error);
  return self->outputs[1].stream != NULL && feed (self, error);
}

static void
answered (Running *self, BerthResult *result, GError *error)
{
  self->result = result;
  self->error = error;
  self->pending--;
  maybe_done (self);
}

static void
run_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  GError *error = NULL;
  BerthResult *result = berth_client_run_finish (BERTH_CLIENT (source), async_result, &error);

  answered (user_data, result, error);
}

static void
exec_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  GError *error = NULL;
  BerthResult *result = berth_client_exec_finish (BERTH_CLIENT (source), async_result, &error);

  answered (user_data, result, error);
}

static void
start (Running *self)
{
  BerthClient *client = berth_mcp_call_get_client (self->call);
  GCancellable *cancellable = berth_mcp_call_get_cancellable (self->call);
  GError *error = NULL;

  if (!open_streams (self, &error))
    {
      fail (self, error);
      return;
    }
  self->pending = 1 + N_OUTPUTS;
  for (guint i = 0; i < N_OUTPUTS; i++)
    read_stream (self, i);
  if (self->id != NULL)
    berth_client_exec_async (client, self->id, self->program, cancellable, exec_cb, self);
  else
    berth_client_run_async (client, self->spec, self->program, cancellable, run_cb, self);
}

void
berth_mcp_program_run (BerthMcpCall *call)
{
  GVariant *arguments = berth_mcp_call_get_arguments (call);
  Running *self = running_new (call);
  GError *error = NULL;

  self->spec = berth_spec_new (NULL);
  berth_mcp_option_apply (BERTH_MCP_RUN_OPTIONS, BERTH_OPTION_SET_SANDBOX, arguments,
                          G_OBJECT (self->spec));
  self->program = berth_mcp_option_make_program (BERTH_MCP_RUN_OPTIONS, arguments, &error);
  if (self->program == NULL || !berth_mcp_option_apply_uploads (arguments, self->program, &error)
      || !berth_mcp_option_dup_downloads (arguments, &self->wanted, &error))
    {
      fail (self, error);
      return;
    }
  for (guint i = 0; self->wanted != NULL && self->wanted[i] != NULL; i++)
    berth_program_add_download (self->program, self->wanted[i]);
  berth_program_set_download_max (self->program, BERTH_MCP_FILES_BYTES);
  berth_mcp_call_watch (call, self->spec);
  start (self);
}

void
berth_mcp_program_exec (BerthMcpCall *call)
{
  GVariant *arguments = berth_mcp_call_get_arguments (call);
  Running *self = running_new (call);
  GError *error = NULL;

  self->id = berth_mcp_call_get_text (call, "sandbox_id");
  self->program = berth_mcp_option_make_program (BERTH_OPTION_SET_EXEC, arguments, &error);
  if (self->program != NULL && berth_mcp_option_dup_downloads (arguments, &self->wanted, &error))
    start (self);
  else
    fail (self, error);
}

/* ---- what one in the background has written ---- */

static void
attached_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  Running *self = user_data;
  GError *error = NULL;
  BerthResult *end = NULL;

  berth_client_attach_finish (BERTH_CLIENT (source), async_result, &end, &self->lost_bytes, &error);
  answered (self, end, error);
}

/* FALSE: @kept may have been opened in part */
static gboolean
open_log (Running *self, int *kept, GError **error)
{
  for (guint i = 0; i < N_OUTPUTS; i++)
    {
      int fd = berth_pipe_open (&kept[i], FALSE, error);

      if (fd < 0)
        return FALSE;
      self->outputs[i].stream = g_unix_input_stream_new (fd, TRUE);
    }
  return TRUE;
}

void
berth_mcp_program_log (BerthMcpCall *call)
{
  GVariant *arguments = berth_mcp_call_get_arguments (call);
  Running *self = running_new (call);
  int kept[N_OUTPUTS] = { -1, -1 };
  gint64 exec = 0;
  gboolean follows = FALSE;
  GError *error = NULL;

  self->id = berth_mcp_call_get_text (call, "sandbox_id");
  self->is_log = TRUE;
  g_variant_lookup (arguments, "exec", "x", &exec);
  g_variant_lookup (arguments, "wait", "b", &follows);
  if (!open_log (self, kept, &error))
    fail (self, error);
  else
    {
      self->pending = 1 + N_OUTPUTS;
      for (guint i = 0; i < N_OUTPUTS; i++)
        read_stream (self, i);
      berth_client_attach_async (berth_mcp_call_get_client (call), self->id, (guint)exec, follows,
                                 0, -1, kept[0], kept[1], berth_mcp_call_get_cancellable (call),
                                 attached_cb, self);
    }
  for (guint i = 0; i < N_OUTPUTS; i++)
    berth_pipe_close (&kept[i]);
}
