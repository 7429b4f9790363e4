/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program may know of a result, and how one is made of what berthd told. */
#include "plugin/libberth/berth-result.h"

#include "plugin/manager/berth-exec.h"

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

/**
 * berth_result_copy:
 * @self: a result
 *
 * Returns: (transfer full): a result of its own with the same content
 */
BerthResult *
berth_result_copy (const BerthResult *self)
{
  BerthResult *copy = berth_result_new ();

  *copy = *self;
  copy->stdout_data = g_strdup (self->stdout_data);
  copy->stderr_data = g_strdup (self->stderr_data);
  copy->template_name = g_strdup (self->template_name);
  copy->sandbox_id = g_strdup (self->sandbox_id);
  return copy;
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
  g_autoptr(GVariant) timing
      = g_variant_lookup_value (dictionary, "timing", G_VARIANT_TYPE_VARDICT);
  g_autoptr(GVariant) usage = g_variant_lookup_value (dictionary, "usage", G_VARIANT_TYPE_VARDICT);
  double peak_mb = 0;

  self->wait_us = lookup_us (timing, "wait_ms");
  self->start_us = lookup_us (timing, "start_ms");
  self->exec_us = lookup_us (timing, "exec_ms");
  self->destroy_us = lookup_us (timing, "destroy_ms");
  self->total_us = lookup_us (timing, "total_ms");
  self->cpu_us = (guint64)lookup_us (usage, "cpu_ms");
  if (usage != NULL)
    g_variant_lookup (usage, "memory_peak_mb", "d", &peak_mb);
  self->memory_peak_bytes = (guint64)(peak_mb * 1024.0 * 1024.0);
}

BerthResult *
berth_result_new_from_variant (GVariant *dictionary)
{
  BerthResult *self = berth_result_new ();
  const char *start = NULL;
  gint32 exit_code = -1;

  g_variant_lookup (dictionary, "stdout", "s", &self->stdout_data);
  g_variant_lookup (dictionary, "stderr", "s", &self->stderr_data);
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
  self->start = start_word (start);
  read_timing (self, dictionary);
  return self;
}

/**
 * berth_result_get_exit_code:
 * @self: a result
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
 * Returns: whether the time limit ended it, or a handler that the limit called
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
 * Returns: whether the sandbox ran out of memory
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
 * Returns: (nullable) (transfer none): what the program wrote, as UTF-8 with U+FFFD for other
 *   bytes, at most 1,000,000 bytes of stdout and 100,000 of stderr; %NULL when it went to a
 *   descriptor or a stream
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
 * Returns: (nullable) (transfer none): what the program wrote, as UTF-8 with U+FFFD for other
 *   bytes, at most 1,000,000 bytes of stdout and 100,000 of stderr; %NULL when it went to a
 *   descriptor or a stream
 */
const char *
berth_result_get_stderr (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->stderr_data;
}

/**
 * berth_result_get_stdout_truncated:
 * @self: a result
 *
 * Returns: whether the program wrote more than was captured
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
 * Returns: whether the program wrote more than was captured
 */
gboolean
berth_result_get_stderr_truncated (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->stderr_truncated;
}

/**
 * berth_result_get_template:
 * @self: a result
 *
 * Returns: (nullable) (transfer none): the template of the sandbox
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
 * Returns: (nullable) (transfer none): the sandbox that it ran in
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
 * Returns: (nullable) (transfer none): how the sandbox came to be: "warm" (it stood by), "clone"
 * (of a snapshot) or "cold" (it booted)
 */
const char *
berth_result_get_start (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->start;
}

/**
 * berth_result_get_destroy_unconfirmed:
 * @self: a result
 *
 * Returns: of a run: whether its VM may still exist; berth goes on ending it
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
 * Returns: how long the request waited for capacity
 */
double
berth_result_get_wait_ms (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->wait_us / 1000.0;
}

/**
 * berth_result_get_start_ms:
 * @self: a result
 *
 * Returns: from admission to a VM that is ready for code
 */
double
berth_result_get_start_ms (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->start_us / 1000.0;
}

/**
 * berth_result_get_exec_ms:
 * @self: a result
 *
 * Returns: from the code's start to its end
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
 * Returns: of a run: until its VM was gone
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
 * Returns: all of it
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
 * Returns: CPU time of the exec's processes, as the guest saw it
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
 * Returns: the most memory that the exec's processes had, in MiB; 0 where the guest can't tell
 */
double
berth_result_get_memory_peak_mb (const BerthResult *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return (double)self->memory_peak_bytes / (1024.0 * 1024.0);
}
