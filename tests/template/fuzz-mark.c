/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a domain's metadata: no crash, and what is taken can be written and read again. */
#include <string.h>

#include "template/berth-counted.h"
#include "template/berth-mark.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *xml = g_strndup ((const char *)data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthMark) mark = berth_mark_parse (xml, &error);

  g_autoptr (GError) broken = NULL;
  g_autoptr (BerthCounted) counted = berth_counted_parse (xml, &broken);

  g_assert_true (mark == NULL || error == NULL);
  g_assert_true (counted == NULL
                 || (broken == NULL && counted->memory_mb > 0 && counted->vcpus > 0));
  if (mark != NULL)
    {
      g_autofree char *again = berth_mark_to_xml (mark);
      g_autofree char *title = berth_mark_to_title (mark);
      g_autoptr (BerthMark) same = berth_mark_parse (again, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (same->id, ==, mark->id);
      g_assert_cmpstr (same->instance, ==, mark->instance);
      g_assert_null (strchr (title, '\n'));
    }

  return 0;
}
