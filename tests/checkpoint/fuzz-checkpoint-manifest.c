/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: whatever lies there as a manifest, it is refused with a reason, or comes back as it
 * is when it is written again. */
#include <string.h>

#include "plugin/checkpoint/berth-checkpoint-manifest.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthCheckpointManifest) manifest
      = berth_checkpoint_manifest_parse ((const char *)data, size, &error);
  g_autoptr (BerthCheckpointManifest) again = NULL;
  g_autofree char *text = NULL;
  g_autofree char *same = NULL;
  gsize length;
  gsize same_length;

  g_assert_cmpint (manifest == NULL, ==, error != NULL);
  if (manifest == NULL)
    return 0;
  text = berth_checkpoint_manifest_to_text (manifest, &length);
  again = berth_checkpoint_manifest_parse (text, length, &error);
  g_assert_no_error (error);
  same = berth_checkpoint_manifest_to_text (again, &same_length);
  g_assert_cmpmem (text, length, same, same_length);
  return 0;
}
