/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a guest somebody of its own, and checks its proof that it is. */
#include "berth-guest-private.h"

#include <errno.h>
#include <sys/random.h>

#include "pool/berth-error.h"

/* design.md, invariant 7 and issue "warm pool": how far a guest's clock may be off when code
 * starts */
#define CLOCK_SKEW_MAX_NS (50 * G_GINT64_CONSTANT (1000000))

void
berth_guest_fill_random (guint8 *bytes, gsize size)
{
  if (getrandom (bytes, size, 0) != (gssize)size)
    g_error ("getrandom: %s", g_strerror (errno)); /* lint: no-abort: no seed, no sandbox */
}

/* An id of 32 digits, with hyphens between. */
void
berth_guest_set_uuid (BerthGuest *self, const char *uuid)
{
  for (guint digits = 0; *uuid != '\0' && digits < 2 * sizeof self->machine_id; uuid++)
    if (g_ascii_isxdigit (*uuid))
      {
        guint8 *byte = &self->machine_id[digits++ / 2];

        *byte = (guint8)(*byte << 4 | g_ascii_xdigit_value (*uuid));
      }
}

static void
guest_send_identity (BerthGuest *self, BerthGuestCall *pending)
{
  berth_guest_fill_random (pending->identity.seed, sizeof pending->identity.seed);
  berth_frame_channel_send (self->channel, BERTH_FRAME_IDENTITY, pending->request,
                            &pending->identity, sizeof pending->identity, NULL, 0);
}

/* The guest's proof that it has the right time. @out_is_late: it may have, but the way there and
 * back took too long to tell: it was read in the guest at any time between */
static gboolean
check_clock (const BerthGuestCall *pending, const BerthIdentityDone *done, gboolean *out_is_late,
             GError **error)
{
  gint64 now_ns = g_get_real_time () * 1000;
  gint64 sent_ns = (gint64)pending->identity.realtime_ns;
  gint64 guest_ns = (gint64)done->realtime_ns;

  *out_is_late = FALSE;
  if (pending->identity.realtime_ns == BERTH_HIDDEN_CLOCK_NS)
    return TRUE;
  if (guest_ns >= sent_ns && guest_ns >= now_ns - CLOCK_SKEW_MAX_NS && guest_ns <= now_ns)
    return TRUE;
  *out_is_late = guest_ns >= sent_ns && guest_ns <= now_ns;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "the guest's clock is wrong by %.3f s after it was set",
               (double)(guest_ns - now_ns) / 1e9);
  return FALSE;
}

/* A host that is busy carries the time too slowly: the clock alone is set once more, until it is
 * right or the call's time is up. An agent that takes no clock alone has one chance. */
void
berth_guest_call_take_proof (BerthGuest *self, BerthGuestCall *pending, const BerthFrame *frame)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GTask) task = NULL;
  g_autoptr (GBytes) random = NULL;
  BerthIdentityDone done;
  gboolean is_late;
  gboolean ok;

  memcpy (&done, frame->payload, sizeof done);
  ok = check_clock (pending, &done, &is_late, &error);
  if (pending->random == NULL)
    pending->random = g_bytes_new (done.random, sizeof done.random);
  if (is_late && pending->may_be_late)
    ok = TRUE;
  else if (is_late && self->version >= BERTH_GUEST_CLOCK_VERSION)
    {
      pending->identity.hostname[0] = '\0';
      pending->identity.realtime_ns = (guint64)g_get_real_time () * 1000;
      guest_send_identity (self, pending);
      return;
    }
  random = g_bytes_ref (pending->random);
  task = berth_guest_call_steal (self, pending);
  if (ok)
    g_task_return_pointer (task, g_steal_pointer (&random), (GDestroyNotify)g_bytes_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
berth_guest_identify_async (BerthGuest *self, const char *hostname, guint flags, guint timeout_ms,
                            GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  BerthGuestCall *pending;

  g_task_set_source_tag (task, berth_guest_identify_async);
  if (hostname[0] == '\0'
      && !berth_guest_check_version (self->version, BERTH_GUEST_CLOCK_VERSION, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  pending = berth_guest_call_add (self, task, BERTH_FRAME_IDENTITY_DONE, ++self->last_request,
                                  timeout_ms);
  if (pending == NULL)
    return;
  pending->may_be_late = (flags & BERTH_IDENTIFY_MAY_BE_LATE) != 0;
  memcpy (pending->identity.machine_id, self->machine_id, sizeof self->machine_id);
  g_strlcpy (pending->identity.hostname, hostname, sizeof pending->identity.hostname);
  pending->identity.realtime_ns = (flags & BERTH_IDENTIFY_REHEARSAL) != 0
                                      ? BERTH_HIDDEN_CLOCK_NS
                                      : (guint64)g_get_real_time () * 1000;
  guest_send_identity (self, pending);
}

gboolean
berth_guest_identify_finish (BerthGuest *self, GAsyncResult *result, guint8 *out_random,
                             GError **error)
{
  g_autoptr (GBytes) random = NULL;

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  random = g_task_propagate_pointer (G_TASK (result), error);
  if (random == NULL)
    return FALSE;
  if (out_random != NULL)
    memcpy (out_random, g_bytes_get_data (random, NULL), g_bytes_get_size (random));
  return TRUE;
}
