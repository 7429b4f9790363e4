/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that an event brings its fields, and no others, to whoever writes the log. */
#include "plugin/base/berth-event.h"

#include <string.h>

typedef struct
{
  GHashTable *fields; /* key (owned) -> value (owned), of the last entry */
  GLogLevelFlags level;
} Written;

static GLogWriterOutput
writer_cb (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  Written *written = user_data;

  g_hash_table_remove_all (written->fields);
  written->level = level;
  for (gsize i = 0; i < n_fields; i++)
    {
      g_assert_cmpint (fields[i].length, ==, -1);
      g_hash_table_insert (written->fields, g_strdup (fields[i].key), g_strdup (fields[i].value));
    }
  return G_LOG_WRITER_HANDLED;
}

static void
assert_field (const Written *written, const char *key, const char *value)
{
  g_assert_cmpstr (g_hash_table_lookup (written->fields, key), ==, value);
}

static void
test_subject (gconstpointer data)
{
  const Written *written = data;
  const guint32 uid = 1000;
  const BerthEventSubject subject = { .template_name = "python",
                                      .domain = "berth-python-1",
                                      .domain_uuid = "00000000-0000-0000-0000-000000000001",
                                      .sandbox = "abc",
                                      .tenant = "acme",
                                      .uid = &uid,
                                      .task = "7" };

  berth_event_log (G_LOG_LEVEL_WARNING, BERTH_EVENT_VM_LOST, &subject, "%s ended: %d%%",
                   subject.domain, 5);
  g_assert_cmpuint (written->level, ==, G_LOG_LEVEL_WARNING);
  assert_field (written, "MESSAGE", "berth-python-1 ended: 5%");
  assert_field (written, "MESSAGE_ID", BERTH_EVENT_VM_LOST);
  assert_field (written, "PRIORITY", "4");
  assert_field (written, "TEMPLATE", "python");
  assert_field (written, "DOMAIN", "berth-python-1");
  assert_field (written, "DOMAIN_UUID", subject.domain_uuid);
  assert_field (written, "SANDBOX", "abc");
  assert_field (written, "TENANT", "acme");
  assert_field (written, "OWNER_UID", "1000");
  assert_field (written, "TASK", "7");
}

static void
test_nobody (gconstpointer data)
{
  const Written *written = data;

  berth_event_log (G_LOG_LEVEL_MESSAGE, BERTH_EVENT_ADMITTING, NULL, "drained");
  assert_field (written, "MESSAGE", "drained");
  assert_field (written, "PRIORITY", "5");
  g_assert_false (g_hash_table_contains (written->fields, "SANDBOX"));
  g_assert_false (g_hash_table_contains (written->fields, "DOMAIN_UUID"));
}

int
main (int argc, char **argv)
{
  Written written = { .fields = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free) };
  int status;

  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (writer_cb, &written, NULL);
  g_test_add_data_func ("/event/subject", &written, test_subject);
  g_test_add_data_func ("/event/nobody", &written, test_nobody);
  status = g_test_run ();
  g_hash_table_unref (written.fields);
  return status;
}
