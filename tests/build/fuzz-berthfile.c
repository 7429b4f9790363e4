/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as a Berthfile: it is taken or refused with a reason, and what was taken says the same
 * again. */
#include "plugin/build/berth-build-spec.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  g_autoptr (BerthBuildSpec) spec = berth_build_spec_new ();
  g_autoptr (BerthBuildSpec) again = berth_build_spec_new ();
  g_autoptr (GError) error = NULL;

  if (!berth_build_spec_take_text (spec, text, "Berthfile", &error))
    {
      g_assert_nonnull (error);
      return 0;
    }
  g_assert_true (berth_build_spec_take_text (again, spec->text->str, "again", &error));
  g_assert_cmpstr (again->text->str, ==, spec->text->str);
  g_assert_cmpuint (again->steps->len, ==, spec->steps->len);
  return 0;
}
