/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether a sandbox stands still enough to be copied. */
#include "plugin/manager/berth-sandbox-private.h"

#include "pool/berth-error.h"

/* What runs is in the way of its end, and not of a copy, in which it goes on. */
static const char *
sandbox_find_obstacle (BerthSandbox *self, gboolean is_to_end)
{
  if (self->is_copied)
    return "it is being copied";
  if (!berth_sandbox_is_awake (self))
    return "it is paused";
  if (is_to_end && self->is_busy && !self->is_watched)
    return "code runs in it";
  if (is_to_end && self->commands > self->watched)
    return "a command runs in it";
  if (self->files > 0 || self->asks > 0)
    return "something is carried in or out of it";
  return NULL;
}

static gboolean
sandbox_check (BerthSandbox *self, gboolean is_to_end, GError **error)
{
  const char *why = sandbox_find_obstacle (self, is_to_end);

  if (why != NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "sandbox %s can't be copied now: %s; ask again when that has ended",
                 berth_sandbox_get_id (self), why);
  return why == NULL;
}

gboolean
berth_sandbox_check_quiet (BerthSandbox *self, GError **error)
{
  return sandbox_check (self, TRUE, error);
}

gboolean
berth_sandbox_check_copy (BerthSandbox *self, GError **error)
{
  return sandbox_check (self, FALSE, error);
}

gboolean
berth_sandbox_begin_copy (BerthSandbox *self, GError **error)
{
  /* what began in a VM that leaves would go on without the one who waits for it */
  if (!sandbox_check (self, self->is_leaving, error))
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
