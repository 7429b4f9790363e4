/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests about background execs, and their results. */
#include "plugin/base/berth-caller-fd.h"
#include "plugin/model/berth-background.h"

#include <unistd.h>

/**
 * berth_background_request_new:
 * @kind: what is asked
 * @exec: its number, 0 of a list
 *
 * Returns: (transfer full): a request without descriptors
 */
BerthBackgroundRequest *
berth_background_request_new (BerthBackgroundKind kind, guint32 exec)
{
  BerthBackgroundRequest *self = g_new0 (BerthBackgroundRequest, 1);

  self->kind = kind;
  self->exec = exec;
  self->stdin_fd = -1;
  self->stdout_fd = -1;
  self->stderr_fd = -1;
  return self;
}

/**
 * berth_background_request_free:
 * @self: (transfer full) (nullable): closes its descriptors, too
 */
void
berth_background_request_free (BerthBackgroundRequest *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < 3; i++)
    {
      int fd = i == 0 ? self->stdin_fd : i == 1 ? self->stdout_fd : self->stderr_fd;

      if (fd >= 0)
        berth_caller_fd_close (fd);
    }
  g_clear_pointer (&self->tty, berth_tty_unref);
  g_free (self);
}

/**
 * berth_background_result_free:
 * @self: (transfer full) (nullable): a result
 */
void
berth_background_result_free (BerthBackgroundResult *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->execs, g_variant_unref);
  berth_result_free (self->end);
  g_free (self);
}

/**
 * berth_background_result_to_variant:
 * @self: of attach
 *
 * Returns: (transfer floating): a{sv}: "running" (b), "lost_bytes" (t), and of one that has ended
 *   what an exec answers
 */
GVariant *
berth_background_result_to_variant (const BerthBackgroundResult *self)
{
  g_autoptr (GVariant) end
      = self->end != NULL ? g_variant_ref_sink (berth_result_to_variant (self->end)) : NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, end);
  g_variant_dict_insert (&dict, "running", "b", self->end == NULL);
  g_variant_dict_insert (&dict, "lost_bytes", "t", self->lost_bytes);
  return g_variant_dict_end (&dict);
}
