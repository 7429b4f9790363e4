/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever a guest says of its background execs is shown to users: numbers that can be, words that
 * a terminal may be given. */
#include "plugin/guest/berth-execs-list.h"

#include <string.h>

#include "berth-frame-decoder.h"
#include "plugin/base/berth-printable.h"

#define MS(us) ((double)(us) / 1000.0)

static gboolean
is_right (const BerthExecsEntry *entry)
{
  return entry->exec != 0 && entry->words_size <= BERTH_WORDS_MAX && entry->state >= BERTH_EXEC_RUNS
         && entry->state <= BERTH_EXEC_HAS_FAILED && entry->begun_us <= G_MAXINT64
         && entry->memory_bytes <= G_MAXINT64 && entry->exit.wall_us <= G_MAXINT64
         && entry->exit.cpu_us <= G_MAXINT64 && entry->exit.peak_bytes <= G_MAXINT64
         && entry->exit.signal <= BERTH_SIGNAL_MAX && entry->exit.status <= 255
         && entry->exit.status >= -1;
}

static void
add_end (GVariantDict *dict, const BerthExit *end)
{
  gboolean timed_out = (end->flags & BERTH_EXIT_TIMED_OUT) != 0;

  g_variant_dict_insert (dict, "timed_out", "b", timed_out);
  g_variant_dict_insert (dict, "oom", "b", (end->flags & BERTH_EXIT_OOM) != 0);
  if (end->signal == 0 && end->status >= 0)
    g_variant_dict_insert (dict, "exit_code", "i", end->status);
  else if (!timed_out)
    g_variant_dict_insert (dict, "exit_code", "i", (gint32)(128 + end->signal));
}

static const char *
get_kind (guint32 flags)
{
  return flags & BERTH_EXEC_TERMINAL ? "terminal" : flags & BERTH_EXEC_COMMAND ? "command" : "code";
}

static GVariant *
describe (const BerthExecsEntry *entry, const BerthExecsMore *more, const char *words,
          gint64 now_us)
{
  static const char *const states[] = { [BERTH_EXEC_RUNS] = "running",
                                        [BERTH_EXEC_HAS_ENDED] = "ended",
                                        [BERTH_EXEC_HAS_FAILED] = "failed" };
  g_autofree char *cut
      = g_strndup (words, berth_printable_count_whole ((const guint8 *)words, entry->words_size));
  g_autofree char *text = g_utf8_make_valid (cut, -1);
  gboolean has_ended = entry->state == BERTH_EXEC_HAS_ENDED;
  guint64 memory = has_ended ? entry->exit.peak_bytes : entry->memory_bytes;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "exec", "u", entry->exec);
  g_variant_dict_insert (&dict, "state", "s", states[entry->state]);
  g_variant_dict_insert (&dict, "kind", "s", get_kind (entry->flags));
  g_variant_dict_insert (&dict, "command", "s", text);
  g_variant_dict_insert (&dict, "begun", "d", (double)entry->begun_us / 1e6);
  g_variant_dict_insert (&dict, "age_s", "d",
                         (double)MAX (now_us - (gint64)entry->begun_us, 0) / 1e6);
  g_variant_dict_insert (&dict, "wall_ms", "d", MS (entry->exit.wall_us));
  g_variant_dict_insert (&dict, "cpu_ms", "d", MS (entry->exit.cpu_us));
  g_variant_dict_insert (&dict, "memory_mb", "d", (double)memory / (1024 * 1024));
  g_variant_dict_insert (&dict, "kept_bytes", "t", entry->kept_bytes);
  g_variant_dict_insert (&dict, "lost_bytes", "t", entry->lost_bytes);
  if (more->timeout_ms > 0)
    g_variant_dict_insert (&dict, "timeout_ms", "u", more->timeout_ms);
  if (entry->flags & BERTH_EXEC_TERMINAL)
    g_variant_dict_insert (&dict, "attached", "b", more->is_attended != 0);
  if (has_ended)
    add_end (&dict, &entry->exit);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  guint32 exec_a = 0;
  guint32 exec_b = 0;

  g_variant_lookup (*(GVariant *const *)a, "exec", "u", &exec_a);
  g_variant_lookup (*(GVariant *const *)b, "exec", "u", &exec_b);
  return exec_a < exec_b ? -1 : exec_a > exec_b;
}

/* Takes one off; FALSE: it is none. */
static gboolean
read_entry (const guint8 **bytes, gsize *size, guint32 version, BerthExecsEntry *entry,
            BerthExecsMore *more)
{
  const gsize tail = version >= BERTH_EXECS_MORE_VERSION ? sizeof *more : 0;

  if (*size < sizeof *entry + tail)
    return FALSE;
  memcpy (entry, *bytes, sizeof *entry);
  memcpy (more, *bytes + sizeof *entry, tail);
  *bytes += sizeof *entry + tail;
  *size -= sizeof *entry + tail;
  return is_right (entry) && more->timeout_ms <= BERTH_TIMEOUT_MAX_MS && *size >= entry->words_size;
}

GVariant *
berth_execs_list_parse (const guint8 *bytes, gsize size, guint32 version, gint64 now_us,
                        GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify)g_variant_unref);

  while (size > 0)
    {
      BerthExecsEntry entry;
      BerthExecsMore more = { 0 };

      if (found->len == BERTH_BACKGROUND_MAX || !read_entry (&bytes, &size, version, &entry, &more))
        {
          g_set_error_literal (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                               "a list of background execs that is none");
          return NULL;
        }
      g_ptr_array_add (found, describe (&entry, &more, (const char *)bytes, now_us));
      bytes += entry.words_size;
      size -= entry.words_size;
    }
  g_ptr_array_sort (found, compare);
  return g_variant_ref_sink (
      g_variant_new_array (G_VARIANT_TYPE_VARDICT, (GVariant *const *)found->pdata, found->len));
}
