/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as what a VM tells of an image: refused with a reason, or each text is one. */
#include "plugin/build/berth-build-image.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check (char **texts)
{
  for (guint i = 0; texts[i] != NULL; i++)
    g_assert_true (g_utf8_validate (texts[i], -1, NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) problem = NULL;
  g_autoptr (BerthBuildImage) image = berth_build_image_parse (text, &error);

  g_assert_cmpint (image == NULL, ==, error != NULL);
  if (image == NULL)
    return 0;
  check (image->entry);
  check (image->env);
  g_assert_cmpint (berth_build_image_check_language (image, "shell", &problem), ==,
                   problem == NULL);
  g_assert_true (problem == NULL || g_utf8_validate (problem->message, -1, NULL));
  return 0;
}
