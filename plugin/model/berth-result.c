/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a program ended: how berthd tells it, how it is made of what was told, and what a program may
 * know. */
#include "plugin/model/berth-result-private.h"
#include "pool/berth-error.h"

#include <string.h>

/**
 * BerthResult:
 *
 * How a program ended: its status, its captured output, and how long everything took.
 *
 * A result never changes; any thread may read it. Strings belong to it. Times are milliseconds.
 *
 * A program that failed is a result, not an error: look at [method@Result.get_exit_code] and
 * [method@Result.get_timed_out] first.
 */
G_DEFINE_BOXED_TYPE (BerthResult, berth_result, berth_result_copy, berth_result_free)

/* "start" is a string that nobody frees */
static const char *
start_word (const char *start)
{
  return start != NULL ? g_intern_string (start) : NULL;
}

BerthDownload *
berth_download_new (const char *path)
{
  BerthDownload *self = g_new0 (BerthDownload, 1);

  self->path = g_strdup (path);
  return self;
}

void
berth_download_free (BerthDownload *self)
{
  g_free (self->path);
  g_clear_error (&self->error);
  g_free (self);
}

/**
 * berth_result_new:
 *
 * Returns: (transfer full): a result without output that ended with status 0
 */
BerthResult *
berth_result_new (void)
{
  return g_new0 (BerthResult, 1);
}

/**
 * berth_result_free:
 * @self: (transfer full) (nullable): a result
 *
 * Frees @self and every string that it gave.
 */
void
berth_result_free (BerthResult *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->stdout_bytes, g_bytes_unref);
  g_clear_pointer (&self->stderr_bytes, g_bytes_unref);
  g_free (self->stdout_data);
  g_free (self->stderr_data);
  g_free (self->template_name);
  g_free (self->sandbox_id);
  g_clear_pointer (&self->downloads, g_ptr_array_unref);
  g_clear_pointer (&self->contents, g_hash_table_unref);
  g_free (self);
}

/**
 * berth_result_copy:
 * @self: a result
 *
 * Copies everything.
 *
 * Returns: (transfer full): a result of its own with the same content
 */
BerthResult *
berth_result_copy (const BerthResult *self)
{
  BerthResult *copy = berth_result_new ();

  *copy = *self;
  if (self->stdout_bytes != NULL)
    g_bytes_ref (self->stdout_bytes);
  if (self->stderr_bytes != NULL)
    g_bytes_ref (self->stderr_bytes);
  copy->stdout_data = g_strdup (self->stdout_data);
  copy->stderr_data = g_strdup (self->stderr_data);
  copy->template_name = g_strdup (self->template_name);
  copy->sandbox_id = g_strdup (self->sandbox_id);
  if (self->downloads != NULL)
    g_ptr_array_ref (self->downloads);
  if (self->contents != NULL)
    g_hash_table_ref (self->contents);
  return copy;
}

static char *
dup_text (GBytes *bytes)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  /* of no bytes there may be no address */
  return size > 0 ? g_utf8_make_valid (data, (gssize)size) : g_strdup ("");
}

void
berth_result_take_output (BerthResult *self, GBytes *stdout_bytes, GBytes *stderr_bytes)
{
  self->stdout_bytes = stdout_bytes;
  self->stderr_bytes = stderr_bytes;
  self->stdout_data = stdout_bytes != NULL ? dup_text (stdout_bytes) : NULL;
  self->stderr_data = stderr_bytes != NULL ? dup_text (stderr_bytes) : NULL;
}

static void
add_string (GVariantBuilder *builder, const char *key, const char *value)
{
  /* berth's own strings are UTF-8; captured output is made so, a slip here must not lose a result
   */
  if (value != NULL)
    g_variant_builder_add (builder, "{sv}", key,
                           g_variant_new_take_string (g_utf8_make_valid (value, -1)));
}

/* Only what a string could not say: it has no NUL, and nothing but UTF-8. */
static void
add_bytes (GVariantBuilder *builder, const char *key, GBytes *bytes, const char *text)
{
  gsize size;
  const char *data;

  if (bytes == NULL)
    return;
  data = g_bytes_get_data (bytes, &size);
  if (size != strlen (text) || (size > 0 && memcmp (data, text, size) != 0))
    g_variant_builder_add (
        builder, "{sv}", key,
        g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, /* trusted: */ TRUE));
}

static void
add_boolean (GVariantBuilder *builder, const char *key, gboolean value)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_boolean (value));
}

static void
add_ms (GVariantBuilder *builder, const char *key, gint64 value_us)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_double (value_us / 1000.0));
}

static GVariant *
timing_to_variant (const BerthResult *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_ms (&builder, "wait_ms", self->origin.wait_us);
  /* what design.md calls claim is what contract.md calls start: from admission to ready */
  add_ms (&builder, "claim_ms", self->origin.start_us);
  add_ms (&builder, "start_ms", self->origin.start_us);
  add_ms (&builder, "spawn_ms", self->origin.spawn_us);
  add_ms (&builder, "connect_ms", self->origin.connect_us);
  add_ms (&builder, "exec_ms", self->exec_us);
  add_ms (&builder, "destroy_ms", self->destroy_us);
  add_ms (&builder, "total_ms", self->total_us);
  return g_variant_builder_end (&builder);
}

static GVariant *
usage_to_variant (const BerthResult *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_ms (&builder, "cpu_ms", (gint64)self->cpu_us);
  g_variant_builder_add (&builder, "{sv}", "memory_peak_mb",
                         g_variant_new_double (self->memory_peak_bytes / (1024.0 * 1024.0)));
  return g_variant_builder_end (&builder);
}

static GVariant *
download_to_variant (const BerthDownload *download)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char *code = NULL;

  g_variant_builder_add (&builder, "{sv}", "path", g_variant_new_bytestring (download->path));
  g_variant_builder_add (&builder, "{sv}", "count", g_variant_new_uint32 (download->count));
  g_variant_builder_add (&builder, "{sv}", "bytes", g_variant_new_uint64 (download->bytes));
  if (download->error != NULL)
    {
      code = g_dbus_error_encode_gerror (download->error);
      add_string (&builder, "code", code);
      add_string (&builder, "message", download->error->message);
    }
  return g_variant_builder_end (&builder);
}

static void
add_files (GVariantBuilder *builder, const BerthResult *self)
{
  GVariantBuilder downloads = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  if (self->has_uploads)
    g_variant_builder_add_parsed (builder, "{'uploads', <{'count': <%u>, 'bytes': <%t>}>}",
                                  self->upload_count, self->upload_bytes);
  for (guint i = 0; self->downloads != NULL && i < self->downloads->len; i++)
    g_variant_builder_add_value (&downloads,
                                 download_to_variant (g_ptr_array_index (self->downloads, i)));
  if (self->downloads != NULL)
    g_variant_builder_add (builder, "{sv}", "downloads", g_variant_builder_end (&downloads));
  else
    g_variant_builder_clear (&downloads);
}

/**
 * berth_result_to_variant:
 * @self: a result
 *
 * Returns: (transfer floating): @self as a dictionary
 */
GVariant *
berth_result_to_variant (const BerthResult *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_string (&builder, "stdout", self->stdout_data);
  add_string (&builder, "stderr", self->stderr_data);
  add_bytes (&builder, "stdout_bytes", self->stdout_bytes, self->stdout_data);
  add_bytes (&builder, "stderr_bytes", self->stderr_bytes, self->stderr_data);
  if (!(self->timed_out && self->exit_code < 0))
    g_variant_builder_add (&builder, "{sv}", "exit_code", g_variant_new_int32 (self->exit_code));
  add_boolean (&builder, "timed_out", self->timed_out);
  add_boolean (&builder, "oom", self->oom);
  add_boolean (&builder, "stdout_truncated", self->stdout_truncated);
  add_boolean (&builder, "stderr_truncated", self->stderr_truncated);
  add_boolean (&builder, "destroy_unconfirmed", self->destroy_unconfirmed);
  add_string (&builder, "template", self->template_name);
  add_string (&builder, "sandbox_id", self->sandbox_id);
  add_boolean (&builder, "warm_hit", g_strcmp0 (self->origin.start, "warm") == 0);
  add_string (&builder, "start", self->origin.start);
  g_variant_builder_add (&builder, "{sv}", "timing", timing_to_variant (self));
  g_variant_builder_add (&builder, "{sv}", "usage", usage_to_variant (self));
  if (self->has_network)
    g_variant_builder_add_parsed (&builder, BERTH_RESULT_NETWORK, self->connections, self->refused,
                                  self->sent_bytes, self->received_bytes);
  add_files (&builder, self);
  return g_variant_builder_end (&builder);
}

static gint64
lookup_us (GVariant *timing, const char *key)
{
  double value_ms = 0;

  if (timing != NULL)
    g_variant_lookup (timing, key, "d", &value_ms);
  return (gint64)(value_ms * 1000.0);
}

static void
read_timing (BerthResult *self, GVariant *dictionary)
{
  g_autoptr (GVariant) timing
      = g_variant_lookup_value (dictionary, "timing", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) usage = g_variant_lookup_value (dictionary, "usage", G_VARIANT_TYPE_VARDICT);
  double peak_mb = 0;

  self->origin.wait_us = lookup_us (timing, "wait_ms");
  self->origin.start_us = lookup_us (timing, "start_ms");
  self->origin.spawn_us = lookup_us (timing, "spawn_ms");
  self->origin.connect_us = lookup_us (timing, "connect_ms");
  self->exec_us = lookup_us (timing, "exec_ms");
  self->destroy_us = lookup_us (timing, "destroy_ms");
  self->total_us = lookup_us (timing, "total_ms");
  self->cpu_us = (guint64)lookup_us (usage, "cpu_ms");
  if (usage != NULL)
    g_variant_lookup (usage, "memory_peak_mb", "d", &peak_mb);
  self->memory_peak_bytes = (guint64)(peak_mb * 1024.0 * 1024.0);
}

/* (nullable): as told, else those of the text, which says it all then */
static GBytes *
read_bytes (GVariant *dictionary, const char *key, const char *text)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dictionary, key, G_VARIANT_TYPE_BYTESTRING);

  if (value != NULL)
    return g_variant_get_data_as_bytes (value);
  return text != NULL ? g_bytes_new (text, strlen (text)) : NULL;
}

/* (transfer full) (nullable): why a download is not whole */
static GError *
read_failure (GVariant *told)
{
  const char *code = NULL, *message = "";
  GError *error;

  if (!g_variant_lookup (told, "code", "&s", &code))
    return NULL;
  g_variant_lookup (told, "message", "&s", &message);
  error = g_dbus_error_new_for_dbus_error (code, message);
  g_dbus_error_strip_remote_error (error);
  return error;
}

static void
read_files (BerthResult *self, GVariant *dictionary)
{
  g_autoptr (GVariant) uploads
      = g_variant_lookup_value (dictionary, "uploads", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) downloads
      = g_variant_lookup_value (dictionary, "downloads", G_VARIANT_TYPE ("aa{sv}"));

  self->has_uploads = uploads != NULL;
  if (uploads != NULL)
    {
      g_variant_lookup (uploads, "count", "u", &self->upload_count);
      g_variant_lookup (uploads, "bytes", "t", &self->upload_bytes);
    }
  if (downloads != NULL)
    self->downloads = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_download_free);
  for (gsize i = 0; downloads != NULL && i < g_variant_n_children (downloads); i++)
    {
      g_autoptr (GVariant) told = g_variant_get_child_value (downloads, i);
      const char *path = "";
      BerthDownload *download;

      g_variant_lookup (told, "path", "^&ay", &path);
      download = berth_download_new (path);
      g_variant_lookup (told, "count", "u", &download->count);
      g_variant_lookup (told, "bytes", "t", &download->bytes);
      download->error = read_failure (told);
      g_ptr_array_add (self->downloads, download);
    }
}

BerthResult *
berth_result_new_from_variant (GVariant *dictionary)
{
  BerthResult *self = berth_result_new ();
  const char *start = NULL;
  gint32 exit_code = -1;

  g_variant_lookup (dictionary, "stdout", "s", &self->stdout_data);
  g_variant_lookup (dictionary, "stderr", "s", &self->stderr_data);
  self->stdout_bytes = read_bytes (dictionary, "stdout_bytes", self->stdout_data);
  self->stderr_bytes = read_bytes (dictionary, "stderr_bytes", self->stderr_data);
  g_variant_lookup (dictionary, "exit_code", "i", &exit_code);
  self->exit_code = exit_code;
  g_variant_lookup (dictionary, "timed_out", "b", &self->timed_out);
  g_variant_lookup (dictionary, "oom", "b", &self->oom);
  g_variant_lookup (dictionary, "stdout_truncated", "b", &self->stdout_truncated);
  g_variant_lookup (dictionary, "stderr_truncated", "b", &self->stderr_truncated);
  g_variant_lookup (dictionary, "destroy_unconfirmed", "b", &self->destroy_unconfirmed);
  g_variant_lookup (dictionary, "template", "s", &self->template_name);
  g_variant_lookup (dictionary, "sandbox_id", "s", &self->sandbox_id);
  g_variant_lookup (dictionary, "start", "&s", &start);
  self->origin.start = start_word (start);
  read_timing (self, dictionary);
  read_files (self, dictionary);
  return self;
}

/**
 * berth_result_get_exit_code:
 * @self: a result
 *
 * The program's own status, or what a shell would make of its end.
 *
 * Returns: 0 to 255, 128 + N for signal N; -1 when the time ran out and the program
 *   had no status of its own
 */
int
berth_result_get_exit_code (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->exit_code;
}

/**
 * berth_result_get_timed_out:
 * @self: a result
 *
 * Whether the time limit ended the program, or a handler that the limit called.
 *
 * Returns: %TRUE if it did
 */
gboolean
berth_result_get_timed_out (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->timed_out;
}

/**
 * berth_result_get_oom:
 * @self: a result
 *
 * Whether the program ended because the sandbox ran out of memory.
 *
 * Returns: %TRUE if it did
 */
gboolean
berth_result_get_oom (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->oom;
}

/**
 * berth_result_get_stdout:
 * @self: a result
 *
 * What the program wrote to its standard output, as UTF-8 with U+FFFD for whatever is none, a NUL,
 * too: the first 1,000,000 bytes.
 *
 * Returns: (nullable) (transfer none): the text; %NULL when it went to a descriptor or a
 *   stream
 */
const char *
berth_result_get_stdout (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->stdout_data;
}

/**
 * berth_result_get_stderr:
 * @self: a result
 *
 * What the program wrote to its standard error, as UTF-8 with U+FFFD for whatever is none, a NUL,
 * too: the first 100,000 bytes.
 *
 * Returns: (nullable) (transfer none): the text; %NULL when it went to a descriptor or a
 *   stream
 */
const char *
berth_result_get_stderr (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->stderr_data;
}

/**
 * berth_result_get_stdout_bytes:
 * @self: a result
 *
 * What the program wrote to its standard output, as it was: the first 1,000,000 bytes.
 *
 * Returns: (nullable) (transfer none): the bytes; %NULL when they went to a descriptor or a
 *   stream
 */
GBytes *
berth_result_get_stdout_bytes (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->stdout_bytes;
}

/**
 * berth_result_get_stderr_bytes:
 * @self: a result
 *
 * What the program wrote to its standard error, as it was: the first 100,000 bytes.
 *
 * Returns: (nullable) (transfer none): the bytes; %NULL when they went to a descriptor or a
 *   stream
 */
GBytes *
berth_result_get_stderr_bytes (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->stderr_bytes;
}

/**
 * berth_result_get_stdout_truncated:
 * @self: a result
 *
 * Whether the program wrote more to its standard output than was captured.
 *
 * Returns: %TRUE if it did
 */
gboolean
berth_result_get_stdout_truncated (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->stdout_truncated;
}

/**
 * berth_result_get_stderr_truncated:
 * @self: a result
 *
 * Whether the program wrote more to its standard error than was captured.
 *
 * Returns: %TRUE if it did
 */
gboolean
berth_result_get_stderr_truncated (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->stderr_truncated;
}

/**
 * berth_result_get_upload_count:
 * @self: a result
 *
 * What [method@Program.add_upload] added, all of it, as the program was run.
 *
 * Returns: how many files went there before the program's start
 */
guint
berth_result_get_upload_count (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->upload_count;
}

/**
 * berth_result_get_upload_bytes:
 * @self: a result
 *
 * How much went there before the program's start.
 *
 * Returns: the bytes of all uploads together
 */
guint64
berth_result_get_upload_bytes (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->upload_bytes;
}

/**
 * berth_result_list_downloads:
 * @self: a result
 *
 * A file is called by the path that [method@Program.add_download] got; one in a folder by that, a
 * slash, and its path below it.
 *
 * Returns: (transfer full) (array zero-terminated=1) (element-type filename): every file that came
 * back, sorted
 */
char **
berth_result_list_downloads (const BerthResult *self)
{
  g_autoptr (GList) paths = NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  g_return_val_if_fail (self != NULL, NULL);

  if (self->contents != NULL)
    paths = g_list_sort (g_hash_table_get_keys (self->contents), (GCompareFunc)g_strcmp0);
  for (GList *path = paths; path != NULL; path = path->next)
    g_strv_builder_add (builder, path->data);
  return g_strv_builder_end (builder);
}

/**
 * berth_result_get_download:
 * @self: a result
 * @path: (type filename): of a file, as [method@Result.list_downloads] has it, or one that was
 * asked for
 *
 * Fails where @path was asked for and not all of it came back, with the reason:
 * %BERTH_ERROR_INVALID where there is no such file, or it is too large. Files in a folder that did
 * come back can be had by their own paths all the same. %BERTH_ERROR_INVALID where nobody asked for
 * it, too.
 *
 * Returns: (transfer full): what the file holds
 */
GBytes *
berth_result_get_download (const BerthResult *self, const char *path, GError **error)
{
  GBytes *content;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (path != NULL, NULL);

  content = self->contents != NULL ? g_hash_table_lookup (self->contents, path) : NULL;
  if (content != NULL)
    return g_bytes_ref (content);
  for (guint i = 0; self->downloads != NULL && i < self->downloads->len; i++)
    {
      const BerthDownload *download = g_ptr_array_index (self->downloads, i);

      if (download->error == NULL || !g_str_equal (download->path, path))
        continue;
      g_propagate_error (error, g_error_copy (download->error));
      return NULL;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "'%s': no such file came back: list_downloads tells which did", path);
  return NULL;
}

/**
 * berth_result_get_template:
 * @self: a result
 *
 * What the sandbox was made from.
 *
 * Returns: (nullable) (transfer none): the template's name
 */
const char *
berth_result_get_template (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->template_name;
}

/**
 * berth_result_get_sandbox_id:
 * @self: a result
 *
 * The sandbox that the program ran in; after a run it is gone.
 *
 * Returns: (nullable) (transfer none): its id
 */
const char *
berth_result_get_sandbox_id (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->sandbox_id;
}

/**
 * berth_result_get_start:
 * @self: a result
 *
 * How the sandbox came to be: "warm" (it stood by), "clone" (of a snapshot) or "cold" (it
 * booted).
 *
 * Returns: (nullable) (transfer none): the word
 */
const char *
berth_result_get_start (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->origin.start;
}

/**
 * berth_result_get_destroy_unconfirmed:
 * @self: a result
 *
 * Of a run: whether its VM may still exist. berth goes on ending it, and its place counts as
 * taken until then.
 *
 * Returns: %TRUE if it may
 */
gboolean
berth_result_get_destroy_unconfirmed (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->destroy_unconfirmed;
}

/**
 * berth_result_get_wait_ms:
 * @self: a result
 *
 * How long the request waited for capacity.
 *
 * Returns: milliseconds
 */
double
berth_result_get_wait_ms (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->origin.wait_us / 1000.0;
}

/**
 * berth_result_get_start_ms:
 * @self: a result
 *
 * How long it took from admission to a VM that is ready for code.
 *
 * Returns: milliseconds
 */
double
berth_result_get_start_ms (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->origin.start_us / 1000.0;
}

/**
 * berth_result_get_exec_ms:
 * @self: a result
 *
 * How long the program ran.
 *
 * Returns: milliseconds
 */
double
berth_result_get_exec_ms (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->exec_us / 1000.0;
}

/**
 * berth_result_get_destroy_ms:
 * @self: a result
 *
 * Of a run: how long it took to end its VM.
 *
 * Returns: milliseconds
 */
double
berth_result_get_destroy_ms (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->destroy_us / 1000.0;
}

/**
 * berth_result_get_total_ms:
 * @self: a result
 *
 * How long all of it took.
 *
 * Returns: milliseconds
 */
double
berth_result_get_total_ms (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->total_us / 1000.0;
}

/**
 * berth_result_get_cpu_ms:
 * @self: a result
 *
 * CPU time of the program's processes, as the guest saw it.
 *
 * Returns: milliseconds
 */
double
berth_result_get_cpu_ms (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return (double)self->cpu_us / 1000.0;
}

/**
 * berth_result_get_memory_peak_mb:
 * @self: a result
 *
 * The most memory that the program's processes had.
 *
 * Returns: MiB; 0 where the guest can't tell
 */
double
berth_result_get_memory_peak_mb (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return (double)self->memory_peak_bytes / (1024.0 * 1024.0);
}
