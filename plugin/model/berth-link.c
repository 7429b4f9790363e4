/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "berth-link.h"

#include "pool/berth-sync.h"

struct _BerthLinkMeter
{
  gatomicrefcount ref_count;
  guint64 sent_bytes;
  guint64 received_bytes;
};

BerthLinkMeter *
berth_link_meter_new (void)
{
  BerthLinkMeter *self = g_new0 (BerthLinkMeter, 1);

  g_atomic_ref_count_init (&self->ref_count);
  return self;
}

BerthLinkMeter *
berth_link_meter_ref (BerthLinkMeter *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
berth_link_meter_unref (BerthLinkMeter *self)
{
  BERTH_SYNC_RELEASE (self);
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  BERTH_SYNC_ACQUIRE (self);
  g_free (self);
}

void
berth_link_meter_add (BerthLinkMeter *self, guint64 sent_bytes, guint64 received_bytes)
{
  if (self == NULL)
    return;
  __atomic_add_fetch (&self->sent_bytes, sent_bytes, __ATOMIC_RELAXED);
  __atomic_add_fetch (&self->received_bytes, received_bytes, __ATOMIC_RELAXED);
}

void
berth_link_meter_get (BerthLinkMeter *self, guint64 *out_sent_bytes, guint64 *out_received_bytes)
{
  *out_sent_bytes = __atomic_load_n (&self->sent_bytes, __ATOMIC_RELAXED);
  *out_received_bytes = __atomic_load_n (&self->received_bytes, __ATOMIC_RELAXED);
}

const char *
berth_link_reason_get_name (BerthLinkReason reason)
{
  static const char *const names[] = {
    [BERTH_LINK_DONE] = "done",
    [BERTH_LINK_REFUSED] = "refused",
    [BERTH_LINK_UNREACHABLE] = "unreachable",
    [BERTH_LINK_DENIED] = "denied",
    [BERTH_LINK_RESET] = "reset",
    [BERTH_LINK_TIMED_OUT] = "timed-out",
    [BERTH_LINK_LIMIT] = "limit",
    [BERTH_LINK_FAILED] = "failed",
  };

  return (guint)reason < G_N_ELEMENTS (names) ? names[reason] : names[BERTH_LINK_FAILED];
}
