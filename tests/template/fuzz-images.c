/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as images.json: refused with a reason, or paths and a digest. */
#include "pool/berth-error.h"
#include "template/berth-images.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const names[] = { "base", "one", NULL };
  g_autofree char *text = g_strndup ((const char *)data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthImages) images = berth_images_parse ("/nowhere", text, size, &error);
  g_autofree char *digest = NULL;

  g_assert_cmpint (images == NULL, ==, error != NULL);
  if (images == NULL)
    {
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
      return 0;
    }
  g_assert_true (g_path_is_absolute (berth_images_get_kernel (images)));
  g_assert_true (g_path_is_absolute (berth_images_get_initramfs (images)));
  digest = berth_images_dup_digest (images, names);
  g_assert_cmpuint (strlen (digest), ==, 64);
  return 0;
}
