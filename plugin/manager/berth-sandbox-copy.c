/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether a sandbox stands still enough to be copied. */
#include "plugin/manager/berth-sandbox-private.h"

#include "pool/berth-error.h"

gboolean
berth_sandbox_check_quiet (BerthSandbox *self, GError **error)
{
  const char *why = NULL;

  if (self->is_copied)
    why = "it is being copied";
  else if (!berth_sandbox_is_awake (self))
    why = "it is paused";
  else if (self->is_busy && !self->is_watched)
    why = "code runs in it";
  else if (self->commands > self->watched)
    why = "a command runs in it";
  else if (self->files > 0 || self->asks > 0)
    why = "something is carried in or out of it";
  if (why != NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "sandbox %s can't be copied now: %s; ask again when that has ended",
                 berth_sandbox_get_id (self), why);
  return why == NULL;
}

gboolean
berth_sandbox_begin_copy (BerthSandbox *self, GError **error)
{
  if (!berth_sandbox_check_quiet (self, error))
    return FALSE;
  self->is_copied = TRUE;
  berth_sandbox_note_use (self);
  return TRUE;
}

gboolean
berth_sandbox_is_copied (BerthSandbox *self)
{
  return self->is_copied;
}
