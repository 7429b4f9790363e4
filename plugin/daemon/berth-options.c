/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which options a D-Bus call may have: one table says name, type and who takes each; anything else
 * in the dictionary is the caller's mistake and is named. */
#include "plugin/daemon/berth-options.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gunixoutputstream.h>

#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"
#include "pool/berth-request.h"

typedef struct _OptionEntry OptionEntry;
typedef gboolean (*OptionFunc) (const OptionEntry *entry, BerthOptions *self, GVariant *value,
                                GUnixFDList *fds, GError **error);

struct _OptionEntry
{
  const char *key;
  const char *type;
  BerthOptionSet set;
  OptionFunc parse;
  gsize offset; /* of the field, for the functions that serve many */
};

G_GNUC_PRINTF (3, 4)
static gboolean
refuse (GError **error, const char *key, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "option \"%s\": %s", key, text);
  return FALSE;
}

static gboolean
parse_name (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
            GError **error)
{
  const char *name = g_variant_get_string (value, NULL);

  if (!berth_request_name_is_valid (name))
    return refuse (error, entry->key, "'%.40s': give 1 to %u letters, digits, _ and -", name,
                   BERTH_REQUEST_NAME_MAX);
  G_STRUCT_MEMBER (const char *, &self->sandbox, entry->offset) = name;
  return TRUE;
}

static gboolean
parse_memory (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
              GError **error)
{
  guint32 memory_mb = g_variant_get_uint32 (value);

  if (memory_mb < BERTH_LIMIT_MEMORY_MIN_MB || memory_mb > BERTH_LIMIT_MEMORY_MB)
    return refuse (error, entry->key, "%u MiB: give %u to %u", memory_mb, BERTH_LIMIT_MEMORY_MIN_MB,
                   BERTH_LIMIT_MEMORY_MB);
  self->sandbox.memory_mb = memory_mb;
  return TRUE;
}

static gboolean
parse_wait (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
            GError **error)
{
  gint64 wait_ms = g_variant_get_int64 (value);

  if (wait_ms < -1 || wait_ms > BERTH_LIMIT_WAIT_MS)
    return refuse (error, entry->key,
                   "%" G_GINT64_FORMAT " ms: give -1 (for ever), or 0 to %" G_GINT64_FORMAT,
                   wait_ms, BERTH_LIMIT_WAIT_MS);
  self->sandbox.wait_us = wait_ms < 0 ? BERTH_REQUEST_WAIT_FOREVER : wait_ms * 1000;
  return TRUE;
}

static gboolean
parse_boot_log (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
                GError **error)
{
  int fd = -1;
  gboolean ok = self->sandbox.boot_log == NULL
                    ? berth_options_take_fd (entry->key, value, fds, FALSE, &fd, error)
                    : refuse (error, entry->key, "given twice");

  if (ok)
    self->sandbox.boot_log = g_unix_output_stream_new (fd, TRUE);
  else if (fd >= 0)
    close (fd);
  return ok;
}

static gboolean
parse_language (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
                GError **error)
{
  g_free (self->exec->language);
  self->exec->language = g_variant_dup_string (value, NULL);
  return TRUE;
}

static gboolean
parse_timeout (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
               GError **error)
{
  self->exec->timeout_ms = g_variant_get_uint32 (value);
  return TRUE;
}

static gboolean
parse_env (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
           GError **error)
{
  g_strfreev (self->exec->env);
  self->exec->env = g_variant_dup_strv (value, NULL);
  return TRUE;
}

/**
 * berth_options_take_fd:
 * @key: of the option
 * @value: a handle
 * @fds: (nullable): as they came
 * @is_input: berthd reads it
 * @out_fd: (inout): -1 before; owned by the caller then, whatever is returned
 *
 * Only pipes and sockets: berthd never blocks on them, and a file's or terminal's flags are shared
 * with whoever else has it open.
 *
 * Returns: whether the descriptor serves
 */
gboolean
berth_options_take_fd (const char *key, GVariant *value, GUnixFDList *fds, gboolean is_input,
                       int *out_fd, GError **error)
{
  gint32 index = g_variant_get_handle (value);
  struct stat status;
  int flags;

  if (fds == NULL || index < 0 || index >= g_unix_fd_list_get_length (fds))
    return refuse (error, key, "the message carries no descriptor %d", index);
  if (*out_fd >= 0)
    return refuse (error, key, "given twice");
  *out_fd = g_unix_fd_list_get (fds, index, error);
  if (*out_fd < 0)
    {
      g_prefix_error (error, "option \"%s\": ", key);
      return FALSE;
    }
  flags = fcntl (*out_fd, F_GETFL);
  if (fstat (*out_fd, &status) != 0 || !(S_ISFIFO (status.st_mode) || S_ISSOCK (status.st_mode)))
    return refuse (error, key, "the descriptor is neither a pipe nor a socket");
  if (flags < 0 || (flags & O_ACCMODE) == (is_input ? O_WRONLY : O_RDONLY))
    return refuse (error, key, "the descriptor is not open for %s",
                   is_input ? "reading" : "writing");
  return TRUE;
}

static gboolean
parse_fd (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
          GError **error)
{
  int *field = G_STRUCT_MEMBER_P (self->exec, entry->offset);

  return berth_options_take_fd (entry->key, value, fds, field == &self->exec->stdin_fd, field,
                                error);
}

static gboolean
parse_flag (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
            GError **error)
{
  G_STRUCT_MEMBER (gboolean, &self->sandbox, entry->offset) = g_variant_get_boolean (value);
  return TRUE;
}

/* The code itself makes the exec, before the table is walked. */
static gboolean
parse_nothing (const OptionEntry *entry, BerthOptions *self, GVariant *value, GUnixFDList *fds,
               GError **error)
{
  return TRUE;
}

#define SANDBOX BERTH_OPTION_SET_SANDBOX
#define EXEC BERTH_OPTION_SET_EXEC

static const OptionEntry option_entries[] = {
  { "code", "ay", EXEC, parse_nothing, 0 },
  { "template", "s", SANDBOX, parse_name, G_STRUCT_OFFSET (BerthSandboxOptions, template_name) },
  { "tenant", "s", SANDBOX, parse_name, G_STRUCT_OFFSET (BerthSandboxOptions, tenant) },
  { "task", "s", SANDBOX, parse_name, G_STRUCT_OFFSET (BerthSandboxOptions, task) },
  { "memory_mb", "u", SANDBOX, parse_memory, 0 },
  { "wait_ms", "x", SANDBOX, parse_wait, 0 },
  { "boot_log", "h", SANDBOX, parse_boot_log, 0 },
  { "attached", "b", BERTH_OPTION_SET_SESSION, parse_flag,
    G_STRUCT_OFFSET (BerthSandboxOptions, ends_with_caller) },
  { "wait_gone", "b", BERTH_OPTION_SET_RUN, parse_flag,
    G_STRUCT_OFFSET (BerthSandboxOptions, waits_gone) },
  { "language", "s", EXEC, parse_language, 0 },
  { "timeout_ms", "u", EXEC, parse_timeout, 0 },
  { "env", "as", EXEC, parse_env, 0 },
  { "stdin", "h", EXEC, parse_fd, G_STRUCT_OFFSET (BerthExec, stdin_fd) },
  { "stdout", "h", EXEC, parse_fd, G_STRUCT_OFFSET (BerthExec, stdout_fd) },
  { "stderr", "h", EXEC, parse_fd, G_STRUCT_OFFSET (BerthExec, stderr_fd) },
};

static const OptionEntry *
find_entry (BerthOptionSet set, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (option_entries); i++)
    if ((option_entries[i].set & set) != 0 && strcmp (option_entries[i].key, key) == 0)
      return &option_entries[i];
  return NULL;
}

static gboolean
parse_entry (BerthOptions *self, BerthOptionSet set, const char *key, GVariant *value,
             GUnixFDList *fds, GError **error)
{
  const OptionEntry *entry = find_entry (set, key);

  if (entry == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "option \"%.40s\" is unknown to this method", key);
      return FALSE;
    }
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (entry->type)))
    return refuse (error, entry->key, "is of type '%.16s', must be '%s'",
                   g_variant_get_type_string (value), entry->type);
  return entry->parse (entry, self, value, fds, error);
}

static gboolean
parse_code (BerthOptions *self, GError **error)
{
  g_autoptr (GVariant) code
      = g_variant_lookup_value (self->message, "code", G_VARIANT_TYPE_BYTESTRING);
  g_autoptr (GBytes) bytes = NULL;

  if (code == NULL)
    return refuse (error, "code", "missing, or not of type 'ay'");
  bytes = g_variant_get_data_as_bytes (code);
  self->exec = berth_exec_new (bytes);
  return TRUE;
}

/**
 * berth_options_parse:
 * @set: what the method takes
 * @message: a{sv}, as it came
 * @fds: (nullable): as they came
 * @default_wait_us: where the caller does not say how long it would wait
 *
 * Returns: (transfer full) (nullable): checked options; %NULL with %BERTH_ERROR_INVALID
 */
BerthOptions *
berth_options_parse (BerthOptionSet set, GVariant *message, GUnixFDList *fds,
                     gint64 default_wait_us, GError **error)
{
  g_autoptr (BerthOptions) self = g_new0 (BerthOptions, 1);
  GVariantIter iter;
  const char *key;
  GVariant *child;

  self->message = g_variant_ref (message);
  self->sandbox.wait_us = default_wait_us;
  if ((set & EXEC) != 0 && !parse_code (self, error))
    return NULL;
  g_variant_iter_init (&iter, message);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &child))
    {
      g_autoptr (GVariant) value = child;

      if (!parse_entry (self, set, key, value, fds, error))
        return NULL;
    }
  if (self->exec != NULL && !berth_exec_check (self->exec, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * berth_options_free:
 * @self: (transfer full) (nullable): options
 */
void
berth_options_free (BerthOptions *self)
{
  if (self == NULL)
    return;
  berth_exec_free (self->exec);
  g_clear_object (&self->sandbox.boot_log);
  g_variant_unref (self->message);
  g_free (self);
}
