/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which programs may be run at all (contract.md, Input), and how a result is told. */
#include "plugin/manager/berth-exec.h"

#include <string.h>
#include <unistd.h>

#include "agent/berth-protocol.h"
#include "pool/berth-error.h"

#define WHITE_SPACE " \t\n\v\f\r"

/**
 * berth_exec_new:
 * @code: the program
 *
 * Returns: (transfer full): an exec with contract.md's defaults and no descriptors
 */
BerthExec *
berth_exec_new (GBytes *code)
{
  BerthExec *self = g_new0 (BerthExec, 1);

  self->code = g_bytes_ref (code);
  self->timeout_ms = BERTH_EXEC_TIMEOUT_DEFAULT_MS;
  self->stdin_fd = -1;
  self->stdout_fd = -1;
  self->stderr_fd = -1;
  self->stdout_max = BERTH_EXEC_STDOUT_MAX;
  self->stderr_max = BERTH_EXEC_STDERR_MAX;
  return self;
}

static void
close_fd (int fd)
{
  if (fd >= 0)
    close (fd);
}

/**
 * berth_exec_free:
 * @self: (transfer full) (nullable): closes its descriptors, too
 */
void
berth_exec_free (BerthExec *self)
{
  if (self == NULL)
    return;
  g_bytes_unref (self->code);
  g_free (self->language);
  g_strfreev (self->env);
  close_fd (self->stdin_fd);
  close_fd (self->stdout_fd);
  close_fd (self->stderr_fd);
  g_free (self);
}

static void
drop_byte_order_mark (BerthExec *self)
{
  gsize size;
  const char *data = g_bytes_get_data (self->code, &size);
  GBytes *rest;

  if (size < 3 || memcmp (data, "\xEF\xBB\xBF", 3) != 0)
    return;
  rest = g_bytes_new_from_bytes (self->code, 3, size - 3);
  g_bytes_unref (self->code);
  self->code = rest;
}

static gboolean
is_blank (const char *data, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (data[i] == '\0' || strchr (WHITE_SPACE, data[i]) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
check_code (GBytes *code, GError **error)
{
  gsize size;
  const char *data = g_bytes_get_data (code, &size);
  const char *zero = size > 0 ? memchr (data, '\0', size) : NULL;

  if (size > BERTH_CODE_MAX)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "code: %" G_GSIZE_FORMAT " bytes, at most %u are allowed", size, BERTH_CODE_MAX);
      return FALSE;
    }
  if (zero != NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "code: a NUL byte at offset %" G_GSIZE_FORMAT ": code is text",
                   (gsize)(zero - data));
      return FALSE;
    }
  if (is_blank (data, size))
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "code: empty or only white space: there is nothing to run");
      return FALSE;
    }
  return TRUE;
}

static gboolean
env_name_is_valid (const char *name, gsize length)
{
  if (length == 0 || length > BERTH_ENV_NAME_MAX || g_ascii_isdigit (name[0]))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (name[i]) && name[i] != '_')
      return FALSE;
  return TRUE;
}

static gboolean
check_env_value (const char *name, gsize name_length, const char *value, GError **error)
{
  gsize size = strlen (value);

  if (size > BERTH_ENV_VALUE_MAX)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "environment: the value of %.*s has %" G_GSIZE_FORMAT
                   " bytes, at most %u are allowed",
                   (int)name_length, name, size, BERTH_ENV_VALUE_MAX);
      return FALSE;
    }
  for (gsize i = 0; i < size; i++)
    {
      guchar byte = (guchar)value[i];

      if ((byte >= 0x20 && byte != 0x7f) || byte == '\t')
        continue;
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "environment: the value of %.*s has the control character 0x%02x, only TAB is "
                   "allowed",
                   (int)name_length, name, byte);
      return FALSE;
    }
  if (!g_utf8_validate (value, -1, NULL))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "environment: the value of %.*s is not UTF-8", (int)name_length, name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_env (char **env, GError **error)
{
  guint count = env != NULL ? g_strv_length (env) : 0;

  if (count > BERTH_ENV_MAX)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "environment: %u variables, at most %u are allowed", count, BERTH_ENV_MAX);
      return FALSE;
    }
  for (guint i = 0; i < count; i++)
    {
      const char *equals = strchr (env[i], '=');
      gsize length = equals != NULL ? (gsize)(equals - env[i]) : 0;

      if (equals == NULL || !env_name_is_valid (env[i], length))
        {
          g_autofree char *shown = g_strndup (env[i], 40);
          g_autofree char *printable = g_strescape (shown, NULL);

          g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "environment: '%s' is not NAME=VALUE with a name of letters, digits and _ "
                       "(at most %u, no digit first)",
                       printable, BERTH_ENV_NAME_MAX);
          return FALSE;
        }
      if (!check_env_value (env[i], length, equals + 1, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_language (const char *language, GError **error)
{
  static const char *const known[] = { "python", "javascript", "shell", "raw", NULL };

  if (language == NULL || g_strv_contains (known, language))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "language: '%.40s' is unknown: python, javascript and shell are there", language);
  return FALSE;
}

/**
 * berth_exec_check:
 * @self: an exec; loses a leading U+FEFF of its code
 *
 * Finds a caller's mistake before any VM is touched.
 *
 * Returns: whether @self may be run
 */
gboolean
berth_exec_check (BerthExec *self, GError **error)
{
  drop_byte_order_mark (self);
  if (self->timeout_ms < BERTH_TIMEOUT_MIN_MS || self->timeout_ms > BERTH_TIMEOUT_MAX_MS)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "timeout: %g s, 1 to %u s are allowed",
                   self->timeout_ms / 1000.0, BERTH_TIMEOUT_MAX_MS / 1000);
      return FALSE;
    }
  return check_code (self->code, error) && check_language (self->language, error)
         && check_env (self->env, error);
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
  g_free (self->stdout_data);
  g_free (self->stderr_data);
  g_free (self->template_name);
  g_free (self->sandbox_id);
  g_free (self);
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

  add_ms (&builder, "wait_ms", self->wait_us);
  /* what design.md calls claim is what contract.md calls start: from admission to ready */
  add_ms (&builder, "claim_ms", self->start_us);
  add_ms (&builder, "start_ms", self->start_us);
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
  if (!(self->timed_out && self->exit_code < 0))
    g_variant_builder_add (&builder, "{sv}", "exit_code", g_variant_new_int32 (self->exit_code));
  add_boolean (&builder, "timed_out", self->timed_out);
  add_boolean (&builder, "oom", self->oom);
  add_boolean (&builder, "stdout_truncated", self->stdout_truncated);
  add_boolean (&builder, "stderr_truncated", self->stderr_truncated);
  add_boolean (&builder, "destroy_unconfirmed", self->destroy_unconfirmed);
  add_string (&builder, "template", self->template_name);
  add_string (&builder, "sandbox_id", self->sandbox_id);
  add_boolean (&builder, "warm_hit", g_strcmp0 (self->start, "warm") == 0);
  add_string (&builder, "start", self->start);
  g_variant_builder_add (&builder, "{sv}", "timing", timing_to_variant (self));
  g_variant_builder_add (&builder, "{sv}", "usage", usage_to_variant (self));
  return g_variant_builder_end (&builder);
}
